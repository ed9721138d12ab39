"""`get` brings what the device may do now, as much as it can take (WIRE 2)."""

from typing import Any

import cbor2
import pytest

from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, Device, config, key_generation


def types(answer: dict[str, Any]) -> list[str]:
    return [command["type"] for command in answer["commands"]]


def test_an_empty_body_means_an_empty_map(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    for format in ("json", "cbor"):
        board.say("get", b"", format)
        down = board.next()
        assert down.topic == f"prov/v1/{device.id}/{format}/commands"
        assert "id" not in down.body
        assert [command["id"] for command in down.body["commands"]] == [f"{id}.0"]


def test_an_answer_has_exactly_what_the_wire_says(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    board.say("get", {"id": "x" * 64})
    assert board.next().body == {
        "id": "x" * 64,
        "status": "PROVISIONING",
        "commands": [{"id": f"{id}.0", "type": "config", "params": {"a": "b"}}],
        "pending": 0,
    }


def test_unanswered_commands_are_served_again_with_the_same_ids(device: Device, board: Board) -> None:
    device.add(config(), config("c"), FINISHED)
    first, second = board.get(), board.get()
    assert first["commands"] == second["commands"]


def test_at_most_ten_come_if_no_limit_is_given_and_pending_counts_the_rest(
    device: Device, board: Board
) -> None:
    device.add(*[config()] * 20)
    answer = board.get()
    assert (len(answer["commands"]), answer["pending"]) == (10, 10)


@pytest.mark.parametrize(("limit", "pending"), [(1, 19), (7, 13), (20, 0)])
def test_limit_bounds_an_answer(device: Device, board: Board, limit: int, pending: int) -> None:
    device.add(*[config()] * 20)
    answer = board.get(limit=limit)
    assert (len(answer["commands"]), answer["pending"]) == (limit, pending)


def test_what_was_answered_does_not_come_again_and_the_rest_follows(device: Device, board: Board) -> None:
    ids = device.add(*[config(f"k{number}") for number in range(5)])
    seen = []
    while commands := board.get(limit=2)["commands"]:
        seen += [command["id"] for command in commands]
        board.results(*(ok(command["id"]) for command in commands))
    assert seen == [f"{id}.0" for id in ids]


@pytest.mark.parametrize("size", [512, 513, 700, 1000, 2000, 8192])
@pytest.mark.parametrize("format", ["json", "cbor"])
def test_an_answer_fits_what_the_device_can_take(
    device: Device, board: Board, size: int, format: str
) -> None:
    device.add(*[config("ключ", "é" * 60)] * 20)
    down = board.ask("get", {"rxMaxSize": size, "limit": 20, "id": "i" * 64}, format)
    assert len(down.payload) <= size
    assert 1 <= len(down.body["commands"]) <= 20
    assert len(down.body["commands"]) + down.body["pending"] == 20


def test_without_a_size_an_answer_fits_8192_bytes(device: Device, board: Board) -> None:
    device.add(*[config("a", "x" * 1000)] * 20)
    down = board.ask("get", {"limit": 20})
    assert 7 * 1000 < len(down.payload) <= 8192


def test_an_answer_is_never_over_64_kib(device: Device, board: Board) -> None:
    device.add(*[{"config": {str(number): "x" * 1024 for number in range(9)}}] * 9)
    down = board.ask("get", {"limit": 20, "rxMaxSize": 10_000_000})
    assert 5 * 9 * 1024 < len(down.payload) <= 65_536


def test_a_command_that_never_fits_fails_once_it_is_at_the_head(device: Device, board: Board) -> None:
    small, big, last = device.add(config(), config("a", "x" * 600), FINISHED)
    answer = board.get(rxMaxSize=512)
    assert types(answer) == ["config"]
    assert device.states(small, big, last) == ["IN_PROGRESS", "PENDING", "PENDING"]
    board.results(ok(answer["commands"][0]["id"]))
    answer = board.get(rxMaxSize=512)
    assert (answer["status"], answer["commands"], answer["pending"]) == ("ERROR", [], 0)
    command = device.command(big)
    assert (command["status"], command["error"]["code"], command["deliveries"]) == ("FAILED", "TOO_LARGE", 0)
    assert device.states(last) == ["PENDING"]


def test_a_command_that_is_larger_than_any_message_fails_at_the_head(device: Device, board: Board) -> None:
    (big,) = device.add({"config": {f"{number:064}": "x" * 1024 for number in range(60)}})
    answer = board.get(rxMaxSize=10_000_000)
    assert (answer["status"], answer["commands"]) == ("ERROR", [])
    assert device.command(big)["error"]["code"] == "TOO_LARGE"


def test_a_command_that_the_device_cannot_do_fails_once_it_is_at_the_head(
    device: Device, board: Board
) -> None:
    first, second, third = device.add(config(), key_generation(), FINISHED)
    answer = board.get(types=["config", "finished"])
    assert types(answer) == ["config"]
    assert device.states(second) == ["PENDING"]
    board.results(ok(answer["commands"][0]["id"]))
    answer = board.get(types=["config", "finished"])
    assert (answer["status"], answer["commands"]) == ("ERROR", [])
    command = device.command(second)
    assert (command["status"], command["error"]["code"]) == ("FAILED", "UNSUPPORTED")
    assert device.states(first, third) == ["SUCCEEDED", "PENDING"]


def test_types_that_nobody_knows_are_no_error(device: Device, board: Board) -> None:
    device.add(config())
    assert types(board.get(types=["config", "teleport", ""])) == ["config"]


def test_after_is_only_a_hint(device: Device, board: Board) -> None:
    ids = device.add(config(), config("c"))
    for after in ("", f"{ids[1]}.0", "nonsense", "x" * 500):
        assert [command["id"] for command in board.get(after=after)["commands"]] == [f"{id}.0" for id in ids]


def test_a_client_may_say_what_it_is(device: Device, board: Board) -> None:
    device.add(config())
    client = {f"{number:064}": "é" * 64 for number in range(16)}
    assert types(board.get(client=client, txMaxSize=1, limit=20, rxMaxSize=512)) == ["config"]


def test_unknown_keys_are_ignored_at_every_level(device: Device, board: Board) -> None:
    device.add(config())
    answer = board.get(colour="blue", nested={"a": [1, 2.5, None, True, {"b": "c"}]})
    assert types(answer) == ["config"]
    result = ok(answer["commands"][0]["id"]) | {"mood": "good", "more": {"a": []}}
    down = board.ask("results", {"results": [result], "weather": 3})
    assert list(down.body["results"].values()) == ["stored"]
    device.add(config())
    bad = failed(board.get()["commands"][0]["id"])
    bad["error"]["detail"] = {"register": 7}
    assert list(board.results(bad)["results"].values()) == ["stored"]


def test_finished_comes_only_with_every_open_command_before_it(device: Device, board: Board) -> None:
    device.add(config(), config("c"), FINISHED)
    assert types(board.get(limit=2)) == ["config", "config"]
    assert types(board.get(limit=3)) == ["config", "config", "finished"]
    answer = board.get(limit=1)
    assert types(answer) == ["config"]
    board.results(ok(answer["commands"][0]["id"]))
    assert types(board.get(limit=2)) == ["config", "finished"]


def test_finished_ends_an_answer(device: Device, board: Board) -> None:
    device.add(config(), FINISHED, config("next"), FINISHED)
    answer = board.get()
    assert types(answer) == ["config", "finished"]
    accepted = board.results(*(ok(command["id"]) for command in answer["commands"]))
    # What stands behind makes the next run, which this device has not begun.
    assert (accepted["status"], accepted["pending"]) == ("PROVISIONED", 2)
    assert [command["params"] for command in board.get()["commands"]] == [{"next": "b"}, {}]


def test_correlation_ids_count_the_attempts_in_hex(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    for attempt in range(18):
        if attempt in (0, 9, 10, 15, 16, 17):
            assert [command["id"] for command in board.get()["commands"]] == [f"{id}.{attempt:x}"]
        assert device.command(id)["attempt"] == attempt
        device.act(id, "reset").made()


def test_a_get_of_another_format_serves_the_same_commands(device: Device, board: Board) -> None:
    device.add(config(), FINISHED)
    assert board.ask("get", {"id": "1"}, "json").body == board.ask("get", {"id": "1"}, "cbor").body


def test_cbor_of_indefinite_length_is_understood(device: Device, board: Board) -> None:
    device.add(config())
    board.say("get", b"\xbf\x62id\x7f\x61a\x61b\xff\x65types\x9f\x66config\xff\xff", "cbor")
    down = board.next()
    assert (down.body["id"], types(down.body)) == ("ab", ["config"])
    results = {"results": [ok(down.body["commands"][0]["id"])]}
    long = cbor2.dumps(results).replace(b"\xa1\x67results", b"\xbf\x67results", 1) + b"\xff"
    board.say("results", long, "cbor")
    assert list(board.next().body["results"].values()) == ["stored"]


def test_numbers_of_any_cbor_width_are_understood(device: Device, board: Board) -> None:
    device.add(config(), config("c"))
    board.say("get", b"\xa1\x65limit\x1b" + (1).to_bytes(8, "big"), "cbor")
    assert len(board.next().body["commands"]) == 1


def test_json_whitespace_and_escapes_are_understood(device: Device, board: Board) -> None:
    device.add(config())
    board.say("get", b' \n{ "\\u0069d" : "\\ud83d\\ude00" ,\t"limit" : 1 } \r\n')
    assert board.next().body["id"] == "\U0001f600"


def test_a_blocked_or_unknown_type_list_is_not_needed_to_finish(device: Device, board: Board) -> None:
    device.add(FINISHED)
    answer = board.get(types=["config"])
    # WIRE 2.5 makes no exception for `finished`: what the device does not list, it cannot do.
    assert (answer["status"], answer["commands"]) == ("ERROR", [])
