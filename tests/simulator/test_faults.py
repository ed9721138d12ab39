"""Trouble as data: what it parses to, and that a seed repeats it."""

import json

import cbor2
import pytest

from provisioning.simulator import faults
from provisioning.simulator.faults import Arrival, Faults, Line
from provisioning.simulator.formats import Command, Failed

SENT = b'{"id":"b-1","after":"c0.0"}'


def test_faults_are_named_with_their_values() -> None:
    parsed = faults.parse(
        "lose=0.1, duplicate=0.2,reorder=0.3,delay=1.5,lie=0.4,fail=config:3,fail=finished,seed=7"
    )
    assert parsed == Faults(0.1, 0.2, 0.3, 1.5, 0.4, {"config": 3, "finished": 1000}, 7)


def test_no_faults_are_none() -> None:
    assert faults.parse("") == faults.NONE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("loose=0.1", "'loose' is no fault: use lose, duplicate"),
        ("lose", "lose needs a number"),
        ("lose=2", "lose needs a number from 0 to 1"),
        ("lose=-0.1", "from 0 to 1"),
        ("lose=nan", "from 0 to 1"),
        ("delay=1e9", "from 0 to 3600"),
        ("fail=", "fail needs a command type"),
        ("fail=config:x", "fail needs a whole number"),
        ("fail=config:99999999999", "32 bits"),
        ("seed=one", "seed needs a whole number"),
    ],
)
def test_what_is_no_fault_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(faults.BadFaults, match=reason):
        faults.parse(text)


def test_without_faults_everything_arrives_at_once_as_it_is() -> None:
    line = Line(faults.NONE, "d")
    assert line.up(SENT) == line.down(SENT) == [Arrival(0.0, SENT)]
    assert line.failure(Command("c", "config", {})) is None


def test_certain_faults_happen() -> None:
    assert Line(Faults(lose=1), "d").down(SENT) == []
    assert len(Line(Faults(duplicate=1), "d").up(SENT)) == 2
    (late,) = Line(Faults(reorder=1), "d").down(SENT)
    assert 0 < late.after <= faults.REORDER_HOLD
    (later,) = Line(Faults(delay=5), "d").down(SENT)
    assert 0 < later.after <= 5


def test_chances_are_about_as_great_as_they_say() -> None:
    line = Line(Faults(lose=0.3), "d")
    assert 200 < sum(not line.down(SENT) for _ in range(1000)) < 400


def test_the_same_seed_gives_each_device_the_same_trouble_again_and_another_device_other_trouble() -> None:
    every = Faults(lose=0.2, duplicate=0.2, reorder=0.2, delay=1, lie=0.2, seed=3)

    def record(name: str, given: Faults = every) -> list[list[Arrival]]:
        line = Line(given, name)
        return [line.up(SENT) for _ in range(50)]

    assert record("d") == record("d")
    assert record("d") != record("e")
    assert record("d") != record("d", Faults(lose=0.2, duplicate=0.2, reorder=0.2, delay=1, lie=0.2, seed=4))


def test_a_device_lies_upwards_only() -> None:
    line = Line(Faults(lie=1), "d")
    assert line.down(SENT) == [Arrival(0.0, SENT)]
    assert line.up(SENT)[0].payload != SENT


def test_a_lie_can_be_read_in_no_format() -> None:
    line = Line(Faults(lie=1), "d")
    for payload in (SENT, cbor2.dumps({"id": "b-1", "after": "c0.0"})):
        for _ in range(100):
            lie = line.up(payload)[0].payload
            assert not strict_json(lie)
            assert not strict_cbor(lie)


def test_a_command_fails_when_it_was_asked_to() -> None:
    line = Line(Faults(fail={"config": 3}), "d")
    failure = line.failure(Command("c", "config", {}))
    assert isinstance(failure, Failed)
    assert failure.code == 3
    assert line.failure(Command("c", "finished", {})) is None


def strict_json(payload: bytes) -> bool:
    """Whether it is JSON by RFC 8259, without a key twice."""

    def no(value: object) -> None:
        raise ValueError(value)

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    try:
        text = json.dumps(json.loads(payload, parse_constant=no, object_pairs_hook=once), ensure_ascii=False)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return True


def strict_cbor(payload: bytes) -> bool:
    """Whether it is one whole item of CBOR."""
    try:
        return cbor2.dumps(cbor2.loads(payload)) == payload
    except (ValueError, EOFError, RecursionError, cbor2.CBORError):
        return False
