"""A modem is served step by step and still has the same list as any device (WIRE.md 8.2)."""

from __future__ import annotations

from typing import Any

import cbor2

from commands.machine import Error, ErrorCode, State
from provisioning.wire import correlation
from tests.core.lists import NOW, SECOND, command, states, uuid
from tests.core.service import Message, Service

TAG = {"secTag": 7}
DONE, FAILED, WAITS, UNDER_WAY = State.SUCCEEDED, State.FAILED, State.PENDING, State.IN_PROGRESS


def get(service: Service, **asked: Any) -> list[Any]:
    """The steps that a `get` brings; none for an empty payload."""
    payload = cbor2.dumps(asked) if asked else b""
    (answer,) = service.hear([Message("get", "nrf", payload, NOW)], NOW)
    assert answer.verb == "commands"
    return list(cbor2.loads(answer.payload)) if answer.payload else []


def tell(service: Service, *responses: list[Any]) -> None:
    at = NOW + SECOND
    (answer,) = service.hear([Message("results", "nrf", cbor2.dumps(list(responses)), at)], at)
    assert (answer.verb, answer.payload) == ("accepted", b"")


def name(service: Service, place: int) -> str:
    one = service.commands[place]
    return correlation.make(one.id, one.attempt)


def listed(*types: str) -> Service:
    commands = [command(place, type) for place, type in enumerate(types, 1)]
    return Service(commands, params={uuid(place): TAG for place in range(1, len(types) + 1)})


def test_a_command_comes_in_steps_and_succeeds_with_its_last() -> None:
    service = Service(
        [command(1, "psk"), command(2, "finished")],
        params={uuid(1): {**TAG, "identity": "pump", "secret": "00ff" * 4}},
    )
    steps = get(service)
    assert [one[0].removeprefix(name(service, 0)) for one in steps[:4]] == [".s", ".s1", ".s2", ""]
    assert steps[4] == [name(service, 1), 2]
    tell(service, *([one[0], 100, "OK\r\n"] for one in steps[:3]))
    assert states(service.run) == [UNDER_WAY, UNDER_WAY], "helper steps say nothing of the command"
    tell(service, [name(service, 0), 100, "OK\r\n"], [name(service, 1), 102])
    assert [one.state for one in service.commands] == [DONE, DONE]
    assert get(service) == []


def test_a_helper_step_that_fails_is_its_commands_failure() -> None:
    service = listed("key", "finished")
    get(service)
    tell(service, [f"{name(service, 0)}.s", 99, 514, ""])
    assert states(service.run) == [FAILED, WAITS]
    error = service.commands[0].error
    assert error is not None
    assert (error.code, error.detail) == (ErrorCode.DEVICE, 514)
    assert get(service) == [], "nothing is served in ERROR"


def test_a_text_that_no_line_can_hold_fails_its_command_when_its_turn_comes() -> None:
    service = Service(
        [command(1, "config"), command(2, "psk")],
        params={uuid(1): {"a": "b"}, uuid(2): {**TAG, "identity": 'a"b', "secret": "00" * 8}},
    )
    assert len(get(service)) == 1, "the answer ends in front of it"
    tell(service, [name(service, 0), 101])
    assert get(service) == []
    assert states(service.run) == [DONE, FAILED]
    error = service.commands[1].error
    assert error is not None
    assert error.code is ErrorCode.UNSUPPORTED
    assert "identity" in error.message
    assert 'a"b' not in error.message


def test_more_steps_than_a_device_takes_at_once_fail_and_say_how_many() -> None:
    service = Service([command(1, "config")], params={uuid(1): {f"k{n}": "v" for n in range(25)}})
    assert len(get(service, limit=3)) == 3
    service = Service([command(1, "config")], params={uuid(1): {f"k{n}": "v" for n in range(25)}})
    assert get(service, limit=2) == []
    assert service.commands[0].error == Error(
        ErrorCode.TOO_LARGE, "The command takes 3 steps, and the device takes 2 at once. Send less in it."
    )


def test_an_answer_is_as_small_as_the_device_asks_to_the_byte() -> None:
    pair = Service(
        [command(1, "config"), command(2, "config")],
        params={uuid(1): {"a": "x" * 600}, uuid(2): {"b": "y" * 600}},
    )
    both = len(cbor2.dumps(get(pair, rxMaxSize=8192)))
    for room, count in ((both, 2), (both - 1, 1)):
        again = Service(pair.commands, params=pair.params)
        assert len(get(again, rxMaxSize=room)) == count


def test_only_so_many_keys_are_asked_for_as_the_device_can_tell_of() -> None:
    service = listed("key", "key", "finished")
    assert len(get(service, txMaxSize=1000)) == 2
    assert len(get(service, txMaxSize=100)) == 2, "one goes in any case: its size is an estimate"
    assert len(get(service, txMaxSize=2000)) == 5
