"""A message that is wrong gets one `rejected` that says why, stores nothing, and stops nobody (WIRE 4)."""

import struct
from typing import Any

import cbor2
import pytest

from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import Device, config

WORDS = {"MALFORMED", "TOO_LARGE"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def deep_cbor(depth: int) -> bytes:
    return b"\xa1\x61x" + b"\x81" * depth + b"\x01"


BAD_JSON = [
    b" ",
    b"x",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{}{}",
    b"{} x",
    b"{}\0",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b'{"id": "\xff"}',
    b'{"id": "\xed\xa0\x80"}',
    b'{"id": "\\ud800"}',
    b'{"id": "a\\u0000b"}',
    b'{"id": "a\0b"}',
    b'{"x": "\\u0000"}',
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
    b'{"id": "a", "id": "a"}',
    b'{"x": {"y": 1, "y": 1}}',
    b'{"x": NaN}',
    b'{"x": Infinity}',
    b'{"x": -Infinity}',
    b'{"x": 1e999}',
    b'{"x": ' + b"9" * 400 + b"}",
    b'{"x": ' + b"9" * 60_000 + b"}",
    b'{"x": ' + b"[" * 20 + b"]" * 20 + b"}",
    b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    b"[" * 65_000,
    b'{"x":' * 12_000,
    b"{'id': 'a'}",
    b'{"id": "a",}',
    b'{id: "a"}',
    b'{"x": 01}',
    b'{"x": +1}',
    b"\x1f\x8b\x08\x00",
]
BAD_CBOR = [
    b"\xff",
    b"\x80",
    b"\xf6",
    b"\x61a",
    b"\x01",
    b"\xa1",
    b"\xbf",
    b"\xa0\xa0",
    b"\xa0\x00",
    b"\xa1\x62id",
    b"\xa2\x62id\x61a\x62id\x61b",
    b"\xa1\x61x\xa2\x61y\x01\x61y\x02",
    b"\xa1\x01\x61a",
    b"\xa1\x61x\xa1\x01\x02",
    b"\xa1\x42id\x61a",
    b"\xa1\x62id\x41a",
    b"\xa1\x61x\x41a",
    b"\xa1\x61x\xc0\x61a",
    b"\xd9\xd9\xf7\xa0",
    b"\xa1\x61x\xc2\x49" + b"\x01" * 9,
    b"\xa1\x61x\xd8\x1c\x81\xd8\x1d\x00",
    b"\xa1\x61x\xd9\x01\x00\x80",
    b"\xa1\x61x\xf9\x7e\x00",
    b"\xa1\x61x\xf9\x7c\x00",
    b"\xa1\x61x\xfb" + struct.pack(">d", float("-inf")),
    b"\xa1\x61x\xfb" + struct.pack(">d", float("nan")),
    b"\xa1\x62id\x62a\x00",
    b"\xa1\x62id\x61\xff",
    b"\xa1\x62id\x63\xed\xa0\x80",
    b"\xa1\x61x\x7f\x61a\x41b\xff",
    b"\xa1\x61x\x1c",
    b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
    b"\xa1\x62id\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xa1\x62id\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xa1\x61x\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
    deep_cbor(9),
    deep_cbor(60_000),
    b"\xa1\x61x" + b"\x9f" * 30_000,
    b"\xa1" * 60_000,
    b"\xd8\x1c" * 30_000,
]
# Not only in what the wire knows, but with nothing wrong about how it is written.
BAD_GET: list[Any] = [
    {"id": 1},
    {"id": "x" * 65},
    {"id": True},
    {"id": ["a"]},
    {"id": {"a": "b"}},
    {"after": 1},
    {"after": ["a"]},
    {"limit": 0},
    {"limit": 21},
    {"limit": -1},
    {"limit": 1.5},
    {"limit": "5"},
    {"limit": True},
    {"limit": 10**12},
    {"limit": [1]},
    {"rxMaxSize": 511},
    {"rxMaxSize": 0},
    {"rxMaxSize": -1},
    {"rxMaxSize": "8192"},
    {"rxMaxSize": 600.5},
    {"rxMaxSize": True},
    {"txMaxSize": "x"},
    {"txMaxSize": -1},
    {"txMaxSize": []},
    {"types": "config"},
    {"types": [1]},
    {"types": {"config": True}},
    {"types": [["config"]]},
    {"client": []},
    {"client": "x"},
    {"client": {"a": 1}},
    {"client": {"a": None}},
    {"client": {"a": {"b": "c"}}},
    {"client": {"a": "x" * 65}},
    {"client": {"x" * 65: "a"}},
    {"client": {str(number): "x" for number in range(17)}},
]
GOOD = "00000000-0000-4000-8000-000000000000.0"
BAD_RESULTS: list[Any] = [
    {},
    {"results": None},
    {"results": {}},
    {"results": "x"},
    {"results": [1]},
    {"results": ["x"]},
    {"results": [None]},
    {"results": [[]]},
    {"results": [{}]},
    {"results": [{"ok": True}]},
    {"results": [{"id": 1, "ok": True}]},
    {"results": [{"id": None, "ok": True}]},
    {"results": [{"id": GOOD}]},
    {"results": [{"id": GOOD, "ok": 1}]},
    {"results": [{"id": GOOD, "ok": "true"}]},
    {"results": [{"id": GOOD, "ok": None}]},
    {"results": [{"id": GOOD, "ok": False}]},
    {"results": [{"id": GOOD, "ok": False, "error": None}]},
    {"results": [{"id": GOOD, "ok": False, "error": "no"}]},
    {"results": [{"id": GOOD, "ok": False, "error": {}}]},
    {"results": [{"id": GOOD, "ok": False, "error": {"code": 1}}]},
    {"results": [{"id": GOOD, "ok": False, "error": {"message": "x"}}]},
    {"results": [failed(GOOD, 2**31)]},
    {"results": [failed(GOOD, -(2**31) - 1)]},
    {"results": [failed(GOOD, 2**70)]},
    {"results": [failed(GOOD, 1.5)]},  # type: ignore[arg-type]
    {"results": [failed(GOOD, True)]},
    {"results": [failed(GOOD, "3")]},  # type: ignore[arg-type]
    {"results": [failed(GOOD, 1, "x" * 1025)]},
    {"results": [failed(GOOD, 1, 7)]},  # type: ignore[arg-type]
    {"results": [ok(GOOD, 1)]},
    {"results": [ok(GOOD, [])]},
    {"results": [ok(GOOD, True)]},
    {"results": [ok(GOOD), {"id": GOOD}]},
    {"id": 7, "results": []},
    {"id": "x" * 65, "results": []},
]


class Fresh:
    """Devices for many small tests: a new one whenever the last may soon be throttled."""

    def __init__(self, service: Any, owner: Any) -> None:
        self.service, self.owner, self.uses = service, owner, 0
        self.board: Board | None = None

    def take(self) -> Board:
        from tests.standalone.fleet import define

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


@pytest.mark.parametrize("word", ["get", "results"])
@pytest.mark.parametrize("payload", BAD_JSON, ids=lambda payload: repr(payload[:40]))
def test_json_that_is_wrong_is_malformed(fresh: Fresh, payload: bytes, word: str) -> None:
    assert refusal(fresh.take(), word, payload, "json")["code"] in WORDS


@pytest.mark.parametrize("word", ["get", "results"])
@pytest.mark.parametrize("payload", BAD_CBOR, ids=lambda payload: payload[:20].hex())
def test_cbor_that_is_wrong_is_malformed(fresh: Fresh, payload: bytes, word: str) -> None:
    assert refusal(fresh.take(), word, payload, "cbor")["code"] in WORDS


@pytest.mark.parametrize("format", ["json", "cbor"])
@pytest.mark.parametrize("body", BAD_GET, ids=lambda body: repr(body)[:40])
def test_a_get_of_the_wrong_shape_is_malformed(fresh: Fresh, body: Any, format: str) -> None:
    assert refusal(fresh.take(), "get", encoded(body, format), format)["code"] == "MALFORMED"


@pytest.mark.parametrize("format", ["json", "cbor"])
@pytest.mark.parametrize("body", BAD_RESULTS, ids=lambda body: repr(body)[:60])
def test_results_of_the_wrong_shape_are_malformed(fresh: Fresh, body: Any, format: str) -> None:
    assert refusal(fresh.take(), "results", encoded(body, format), format)["code"] == "MALFORMED"


def encoded(body: Any, format: str) -> bytes:
    import json

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


@pytest.mark.parametrize("format", ["xml", "nrf"])
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
