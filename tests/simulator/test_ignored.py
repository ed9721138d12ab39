"""What the client does not listen to (WIRE.md 6.3): strangers' topics, other requests' answers, rubbish."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.simulator.formats import Ok

from .service import ID, ROOT
from .talk import HALF, Bench, executes, until

OTHER = "5e0c1c36-0000-4000-8000-000000000000"

COMMANDS: dict[str, Any] = {"status": "READY", "commands": [], "pending": 0}
ACCEPTED: dict[str, Any] = {"status": "READY", "results": {"c0.0": "stored"}, "pending": 0}


def asking() -> Bench:
    return Bench()


def working() -> Bench:
    bench = Bench()
    bench.serve("config")
    return bench


def reporting() -> Bench:
    bench = working()
    bench.device.executed("c0.0", Ok(), 0, HALF)
    return bench


def state_of(bench: Bench) -> tuple[Any, ...]:
    device = bench.device
    return device.state, device.request, device.deadline, device.hold, tuple(device.todo), tuple(device.done)


@pytest.mark.parametrize("start", [asking, working, reporting])
@pytest.mark.parametrize("answer_id", ["b-0", "b-3", "B-1", "", "b-1 ", "other-1", 1, None, ["b-1"]])
@pytest.mark.parametrize(("verb", "rest"), [("commands", COMMANDS), ("accepted", ACCEPTED)])
def test_an_answer_with_another_id_is_ignored(
    start: Any, verb: str, rest: dict[str, Any], answer_id: Any
) -> None:
    bench = start()
    before = state_of(bench)
    assert bench.tell(verb, 1, **{**rest, "id": answer_id}) == []
    assert state_of(bench) == before


@pytest.mark.parametrize("verb", ["commands", "accepted"])
def test_an_answer_without_an_id_is_ignored_for_every_request_has_one(verb: str) -> None:
    bench = asking() if verb == "commands" else reporting()
    body = COMMANDS if verb == "commands" else ACCEPTED
    assert bench.raw(verb, json.dumps(body).encode(), 1) == []


@pytest.mark.parametrize("code", ["BLOCKED", "MALFORMED", "THROTTLED"])
def test_a_rejection_of_another_request_is_ignored(code: str) -> None:
    bench = reporting()
    before = state_of(bench)
    assert bench.tell("rejected", 1, id="b-1", code=code, message="", retryAfter=5) == []
    assert state_of(bench) == before


def test_commands_do_not_answer_results_nor_accepted_a_get() -> None:
    assert reporting().tell("commands", 1, **COMMANDS) == []
    assert asking().tell("accepted", 1, **ACCEPTED) == []


def test_the_second_copy_of_an_answer_is_ignored() -> None:
    bench = asking()
    request = bench.device.request
    assert request is not None
    assert executes(bench.serve("config")) == "c0.0"
    before = state_of(bench)
    assert bench.tell("commands", 1, **{**COMMANDS, "id": request.id}) == []
    assert state_of(bench) == before


@pytest.mark.parametrize(
    "topic",
    [
        f"{ROOT}/{OTHER}/json/commands",
        f"{ROOT}/{OTHER}/notify",
        f"{ROOT}/{ID}/cbor/commands",
        f"{ROOT}/{ID}/json/notify",
        f"{ROOT}/{ID}/commands",
        f"{ROOT}/{ID}/json/get",
        f"{ROOT}/{ID}/json/results",
        f"prov/v2/{ID}/json/commands",
        "commands",
        "",
    ],
)
def test_what_comes_on_another_topic_is_ignored(topic: str) -> None:
    bench = asking()
    before = state_of(bench)
    payload = json.dumps({**COMMANDS, "id": "b-1", "within": 1}).encode()
    assert bench.device.message(topic, payload, 1, HALF) == []
    assert state_of(bench) == before


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"b-1"',
        b'{"id":"b-1"',
        b'{"id":"b-1","status":"READY","commands":{},"pending":0}',
        b'{"id":"b-1","status":"READY","commands":[],"pending":"0"}',
        b'{"id":"b-1","status":1,"commands":[],"pending":0}',
        b'{"id":"b-1","status":"READY","commands":[{"id":"c0.0","type":"config"}],"pending":0}',
        b'{"id":"b-1","status":"READY","commands":[{"id":7,"type":"config","params":{}}],"pending":0}',
        b'{"id":"b-1","status":"READY","commands":[[]],"pending":0}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_rubbish_is_no_answer_and_the_repeat_brings_another(payload: bytes) -> None:
    bench = asking()
    assert bench.raw("commands", payload, 1) == []
    assert until(bench.device.tick(10, HALF)) == 30


@pytest.mark.parametrize("results", [b"[]", b'{"c0.0":1}', b'{"c0.0":["stored"]}'])
def test_accepted_that_breaks_the_shape_is_no_answer(results: bytes) -> None:
    bench = reporting()
    payload = b'{"id":"b-2","status":"READY","results":%s,"pending":0}' % results
    assert bench.raw("accepted", payload, 1) == []
    assert "c0.0" in bench.device.memory


def test_unknown_keys_are_ignored_at_every_level() -> None:
    bench = asking()
    command = {"id": "c0.0", "type": "config", "params": {"a": "b"}, "since": 5}
    outputs = bench.tell("commands", 1, status="READY", commands=[command], pending=0, more={"x": [1]})
    assert executes(outputs) == "c0.0"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
likely = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("id", "status", "commands", "results", "pending", "code", "retryAfter", "within"), json_values
    ),
)


@given(
    start=st.sampled_from([asking, working, reporting]),
    verb=st.sampled_from(["commands", "accepted", "rejected", "notify"]),
    payload=st.binary(max_size=64) | (json_values | likely).map(lambda value: json.dumps(value).encode()),
)
def test_nothing_that_comes_down_makes_the_client_raise(start: Any, verb: str, payload: bytes) -> None:
    bench = start()
    bench.raw(verb, payload, 1)
    bench.device.tick(1e9, HALF)
