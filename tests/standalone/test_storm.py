"""Three hundred malformed messages stop neither the service nor the device beside them (WIRE 4.2)."""

import threading
import time
from collections.abc import Callable

from tests.standalone.board import Board, ok
from tests.standalone.fleet import FINISHED, Device, config
from tests.standalone.installation import Installation

GARBAGE = [
    b"nonsense",
    b"\xff" * 5_000,
    b"[" * 60_000,
    b'{"id": "\\ud800"}',
    b'{"x": NaN}',
    b'{"a": 1, "a": 2}',
    b"9" * 60_000,
    b'{"results": [{"id": "x"}]}',
    b"x" * 100_000,
    b'{"x": "' + b"\\u0041" * 10_000 + b'"}',
    b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
    b"\xd8\x1c" * 30_000,
]


def test_a_good_device_is_served_among_three_hundred_malformed_messages(
    service: Installation, new_device: Callable[..., Device]
) -> None:
    good, vandals = new_device(), [new_device() for _ in range(6)]
    ids = good.add(*[config(str(number)) for number in range(8)], FINISHED)
    before, slow = service.memory(), list[float]()
    rejected: list[int] = []

    def vandalise(device: Device, seed: int) -> None:
        with device.board() as board:
            for number in range(50):
                format = ("json", "cbor")[(number + seed) % 2]
                board.say(("get", "results")[number % 2], GARBAGE[(number + seed) % len(GARBAGE)], format)
            count = 0
            while count < 50 and board.next().word == "rejected":
                count += 1
            rejected.append(count)

    threads = [threading.Thread(target=vandalise, args=(device, seed)) for seed, device in enumerate(vandals)]
    with good.board() as board:
        for thread in threads:
            thread.start()
        while good_status(board, slow) != "PROVISIONED":
            pass
        for thread in threads:
            thread.join()
    assert rejected == [50] * 6
    assert max(slow) < 3.0, slow
    assert set(good.states(*ids)) == {"SUCCEEDED"}
    assert service.memory() - before < 100 * 2**20


def good_status(board: Board, slow: list[float]) -> str:
    begin = time.monotonic()
    served = board.get(limit=1 if len(slow) < 10 else 20)["commands"]
    accepted = board.results(*(ok(command["id"]) for command in served))
    slow.append((time.monotonic() - begin) / 2)
    return str(accepted["status"])
