"""Whatever is lost, repeated, late or out of order, each result counts once (WIRE 2.7, 3.4, 6; DESIGN.md, law 3)."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.standalone import material, packets
from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, Device, config, key_generation


def exhausted(device: Device, board: Board, id: str) -> str:
    """Ask and say nothing until the command is given up; its correlation id. Waits out the throttle."""
    correlation = ""
    for _ in range(30):
        down = board.ask("get", {})
        if down.word == "rejected":
            time.sleep(down.body["retryAfter"])
            continue
        if not down.body["commands"]:
            assert device.states(id) == ["FAILED"]
            return correlation
        correlation = down.body["commands"][0]["id"]
    raise AssertionError("never given up")


def test_a_command_served_ten_times_is_given_up_and_a_late_success_still_counts(device: Device) -> None:
    first, second = device.add(config(), config("c"))
    with device.board() as board:
        correlation = exhausted(device, board, first)
        command = device.command(first)
        assert (command["error"]["code"], command["deliveries"]) == ("DELIVERY_EXHAUSTED", 10)
        assert (device.status, device.states(second)) == ("ERROR", ["PENDING"])
        assert board.results(failed(correlation))["results"] == {correlation: "conflict"}
        assert device.command(first)["error"]["code"] == "DELIVERY_EXHAUSTED"
        assert board.results(ok(correlation))["results"] == {correlation: "stored"}
        assert (device.status, device.states(first)) == ("PROVISIONING", ["SUCCEEDED"])
        assert board.results(ok(correlation))["results"] == {correlation: "duplicate"}


def test_a_reset_after_giving_up_begins_anew(device: Device) -> None:
    (id,) = device.add(config())
    with device.board() as board:
        old = exhausted(device, board, id)
        device.act(id, "reset").made()
        assert board.results(ok(old))["results"] == {old: "stale"}
        time.sleep(1)
        assert board.get()["commands"][0]["id"] == f"{id}.1"
        assert device.command(id)["deliveries"] == 1


def test_each_serving_counts_as_one_delivery(device: Device) -> None:
    (id,) = device.add(config())
    with device.board() as board:
        for number in range(1, 5):
            board.get()
            assert device.command(id)["deliveries"] == number


def test_requests_that_were_under_way_together_count_once(service: Any, device: Device) -> None:
    (id,) = device.add(config())
    hello = packets.connect(0xC2, device.id, device.id, device.secret)
    several = b"".join(
        packets.publish(f"prov/v1/{device.id}/json/get", b"{}", number) for number in range(1, 9)
    )
    packets.tell(service.mqtt, hello + several, within=0.5)
    # The first may have been answered before the others were read; those then came together.
    assert 1 <= device.command(id)["deliveries"] <= 2


def test_an_answer_that_never_arrives_costs_only_time(device: Device) -> None:
    ids = device.add(config(), FINISHED)
    deaf = device.board().connect(subscribe=False)
    deaf.say("get", {})
    deaf.say("results", {"results": [ok(f"{ids[0]}.0")]})
    deaf.close()
    with device.board() as board:
        for _ in range(2):
            answer = board.get()
            board.results(*(ok(command["id"]) for command in answer["commands"]))
    assert device.status == "PROVISIONED"


def test_two_sessions_of_one_device_do_not_disturb_each_other(device: Device) -> None:
    ids = device.add(*[config(str(number)) for number in range(10)])
    first = device.board(client_id=f"{device.id}-1").connect()
    second = device.board(client_id=f"{device.id}-2").connect()
    try:
        served = first.get()["commands"]
        assert second.get()["commands"] == served
        words: list[str] = []

        def answer(board: Board) -> None:
            for command in served:
                words.extend(board.results(ok(command["id"]))["results"].values())

        threads = [threading.Thread(target=answer, args=(board,)) for board in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        first.close()
        second.close()
    assert sorted(words) == ["duplicate"] * 10 + ["stored"] * 10
    assert set(device.states(*ids)) == {"SUCCEEDED"}


def test_an_owner_and_a_device_at_once_end_in_one_truth(device: Device) -> None:
    ids = device.add(*[config(str(number)) for number in range(10)])
    words: dict[str, str] = {}
    with device.board() as board:
        served = board.get()["commands"]

        def skip() -> None:
            for id in reversed(ids):
                device.act(id, "skip")

        owner = threading.Thread(target=skip)
        owner.start()
        for command in served:
            words |= board.results(ok(command["id"]))["results"]
        owner.join()
    for id in ids:
        state = device.command(id)["status"]
        assert {"stored": "SUCCEEDED", "skipped": "SKIPPED"}[words[f"{id}.0"]] == state


@pytest.mark.parametrize("seed", range(2))
def test_a_device_on_a_bad_network_is_provisioned(new_device: Callable[..., Device], seed: int) -> None:
    """Requests are repeated, results cut up, shuffled, sent twice and late; half of the answers are not read."""
    chance = random.Random(seed)
    device = new_device()
    ids = device.add(*[config(str(number)) for number in range(6)], FINISHED)
    format = chance.choice(["json", "cbor"])
    with device.board(format=format) as board:
        old: list[dict[str, Any]] = []
        for _ in range(8):
            served = board.get()["commands"]
            if not served:
                break
            results = [ok(command["id"]) for command in served if chance.random() < 0.7] + old
            chance.shuffle(results)
            for result in results:
                for _ in range(chance.choice([0, 1, 1, 2])):
                    board.say("results", {"results": [result]})
            old = chance.sample(results, len(results) // 2)
            time.sleep(0.05)
        else:
            for command in board.get()["commands"]:
                board.results(ok(command["id"]))
        # What a device does in the end: it repeats until it is told that it is done.
        while device.status != "PROVISIONED":
            time.sleep(0.2)
            for command in board.get()["commands"]:
                board.results(ok(command["id"]))
    assert set(device.states(*ids)) == {"SUCCEEDED"}
    answered = [entry for entry in device.owner.all(f"{device.path}/timeline") if entry["kind"] == "answered"]
    stored = [
        id for entry in answered for id, word in entry["data"].get("results", {}).items() if word == "stored"
    ]
    assert sorted(stored) == sorted(f"{id}.0" for id in ids)


def test_results_of_several_messages_are_applied_in_order_of_receipt(device: Device) -> None:
    (id,) = device.add(config())
    with device.board() as board:
        correlation = board.get()["commands"][0]["id"]
        board.say("results", {"id": "1", "results": [ok(correlation)]})
        board.say("results", {"id": "2", "results": [failed(correlation)]})
        answers = {board.next().body["id"]: board.kept[-1].body["results"][correlation] for _ in range(2)}
    assert answers == {"1": "stored", "2": "conflict"}
    assert device.states(id) == ["SUCCEEDED"]


def test_a_device_that_forgot_its_key_makes_another(device: Device) -> None:
    (id, _) = device.add(key_generation(), FINISHED)
    with device.board() as board:
        one, last = (command["id"] for command in board.get()["commands"])
        board.results(ok(one, {"publicKey": material.public_key_pem()}))
    with device.board() as board:
        newer = {"publicKey": material.public_key_pem()}
        assert board.results(ok(one, newer))["results"] == {one: "stored"}
        assert [command["id"] for command in board.get()["commands"]] == [last]
        assert board.results(ok(last))["status"] == "PROVISIONED"
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": newer}
