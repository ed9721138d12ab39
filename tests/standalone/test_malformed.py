"""A message that is wrong gets one `rejected` that says why, stores nothing, and stops nobody (WIRE 4)."""

import json
from typing import Any

import cbor2
import pytest

from tests.standalone.board import Board, ok
from tests.standalone.fleet import config, define
from tests.standalone.garbage import BAD_CBOR, BAD_JSON
from tests.standalone.shapes import BAD_GET, BAD_RESULTS

WORDS = {"MALFORMED", "TOO_LARGE"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


class Fresh:
    """Devices for many small tests: a new one whenever the last may soon be throttled."""

    def __init__(self, service: Any, owner: Any) -> None:
        self.service, self.owner, self.uses = service, owner, 0
        self.board: Board | None = None

    def take(self) -> Board:
        if self.board is None or self.uses >= 9:
            self.close()
            self.uses = 0
            self.board = define(self.owner, self.service.mqtt).board().connect()
        self.uses += 1
        return self.board

    def close(self) -> None:
        if self.board is not None:
            self.board.close()
            self.board = None


@pytest.fixture(scope="module")
def fresh(service: Any, owner: Any) -> Any:
    devices = Fresh(service, owner)
    yield devices
    devices.close()


def refusal(board: Board, word: str, payload: bytes, format: str) -> dict[str, Any]:
    """The one `rejected` that a message gets, which has the shape of WIRE 4.1."""
    board.say(word, payload, format)
    down = board.next()
    assert down.topic == f"prov/v1/{board.id}/{format}/rejected", (down.topic, down.payload[:200])
    body: dict[str, Any] = down.body
    assert {"code", "message"} <= set(body) <= {"id", "code", "message"}, body
    assert isinstance(body["message"], str)
    assert body["message"]
    return body


@pytest.mark.parametrize("payload", BAD_JSON, ids=lambda payload: repr(payload[:40]))
def test_json_that_is_wrong_is_malformed(fresh: Fresh, payload: bytes) -> None:
    for word in ("get", "results"):
        assert refusal(fresh.take(), word, payload, "json")["code"] in WORDS


@pytest.mark.parametrize("payload", BAD_CBOR, ids=lambda payload: payload[:20].hex())
def test_cbor_that_is_wrong_is_malformed(fresh: Fresh, payload: bytes) -> None:
    for word in ("get", "results"):
        assert refusal(fresh.take(), word, payload, "cbor")["code"] in WORDS


@pytest.mark.parametrize("body", BAD_GET, ids=lambda body: repr(body)[:40])
def test_a_get_of_the_wrong_shape_is_malformed(fresh: Fresh, body: Any) -> None:
    for format in ("json", "cbor"):
        assert refusal(fresh.take(), "get", encoded(body, format), format)["code"] == "MALFORMED"


@pytest.mark.parametrize("body", BAD_RESULTS, ids=lambda body: repr(body)[:60])
def test_results_of_the_wrong_shape_are_malformed(fresh: Fresh, body: Any) -> None:
    for format in ("json", "cbor"):
        assert refusal(fresh.take(), "results", encoded(body, format), format)["code"] == "MALFORMED"


def encoded(body: Any, format: str) -> bytes:
    return cbor2.dumps(body) if format == "cbor" else json.dumps(body).encode()


@pytest.mark.parametrize("depth", [1, 7])
def test_nesting_up_to_eight_is_understood(fresh: Fresh, depth: int) -> None:
    board = fresh.take()
    down = board.ask("get", {"x": nested(depth)})
    assert down.word == "commands"


def test_nesting_of_nine_is_malformed(fresh: Fresh) -> None:
    for format in ("json", "cbor"):
        assert refusal(fresh.take(), "get", encoded({"x": nested(8)}, format), format)["code"] in WORDS


def test_a_rejection_echoes_the_id(fresh: Fresh) -> None:
    for format in ("json", "cbor"):
        body = refusal(fresh.take(), "get", encoded({"id": "seven", "limit": 99}, format), format)
        assert body.get("id") == "seven"


def test_one_bad_entry_spoils_its_message_and_nothing_of_it_is_stored(new_device: Any) -> None:
    device = new_device()
    (id,) = device.add(config())
    with device.board() as board:
        (command,) = board.get()["commands"]
        body = board.rejected("results", {"results": [ok(command["id"]), {"id": "x"}]})
        assert body["code"] == "MALFORMED"
        assert device.states(id) == ["IN_PROGRESS"]
        assert board.results(ok(command["id"]))["results"] == {command["id"]: "stored"}


@pytest.mark.parametrize("size", [65_537, 70_000, 100_000, 130_000])
def test_a_message_over_64_kib_is_too_large_and_the_session_lives(fresh: Fresh, size: int) -> None:
    board = fresh.take()
    payload = b'{"x": "' + b"x" * (size - 9) + b'"}'
    assert len(payload) == size
    assert refusal(board, "get", payload, "json")["code"] == "TOO_LARGE"
    assert board.get()["status"] == "READY"


def test_a_message_of_64_kib_is_taken(fresh: Fresh) -> None:
    board = fresh.take()
    board.say("get", b'{"x": "' + b"x" * (65_536 - 9) + b'"}')
    assert board.next().word == "commands"


@pytest.mark.parametrize("format", ["xml", "nrf2"])
def test_a_format_that_is_not_spoken_here_is_told(new_device: Any, format: str) -> None:
    device = new_device()
    with device.board() as board:
        board.publish(f"prov/v1/{device.id}/{format}/get", b"")
        down = board.next()
        assert down.word == "rejected"
        assert b"UNSUPPORTED_FORMAT" in down.payload


def test_a_malformed_message_stands_in_the_timeline_once_with_a_count(new_device: Any) -> None:
    device = new_device()
    with device.board() as board:
        for _ in range(5):
            board.rejected("get", b"nonsense")
    entries = [entry for entry in device.owner.all(f"{device.path}/timeline") if entry["kind"] == "refused"]
    assert len(entries) == 1, entries
    assert entries[0]["data"]["count"] == 5
