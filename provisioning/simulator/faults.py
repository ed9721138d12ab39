"""What can go wrong between a device and the service, as data; the same seed gives the same trouble."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from random import Random

from provisioning.simulator.formats import Command, Failed

# How long a reordered message is held back at most, in seconds: long enough for its answer to be overtaken.
REORDER_HOLD = 1.0

# WIRE.md 3.1 leaves codes from 1000 to the device; this one says that the failure was asked for.
FAILED_ON_PURPOSE = 1000


class BadFaults(ValueError):
    """The text names no fault, or gives it no fit value; says which and what would be fit."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances are from 0 to 1 a message; `delay` is the longest delay in seconds.

    lose       the message does not arrive
    duplicate  it arrives twice
    reorder    it is held back, so that later ones overtake it
    delay      every message takes up to so long
    lie        the device sends nonsense instead
    fail       commands of this type fail with this code (WIRE.md 3.1)
    """

    lose: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    lie: float = 0.0
    fail: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


NONE = Faults()


def parse(text: str) -> Faults:
    """Faults from `lose=0.1,duplicate=0.05,delay=0.5,fail=config:3,seed=7`. Raises BadFaults."""
    faults = NONE
    for part in filter(None, text.split(",")):
        name, _, value = part.strip().partition("=")
        faults = _with(faults, name, value)
    return faults


def _with(faults: Faults, name: str, value: str) -> Faults:
    match name:
        case "lose":
            return replace(faults, lose=_number(name, value, 1))
        case "duplicate":
            return replace(faults, duplicate=_number(name, value, 1))
        case "reorder":
            return replace(faults, reorder=_number(name, value, 1))
        case "lie":
            return replace(faults, lie=_number(name, value, 1))
        case "delay":
            return replace(faults, delay=_number(name, value, 3600))
        case "fail":
            return replace(faults, fail={**faults.fail, **_failure(value)})
        case "seed":
            return replace(faults, seed=_integer(name, value))
    names = ", ".join(member.name for member in fields(Faults))
    raise BadFaults(f"{name!r} is no fault: use {names}")


def _failure(value: str) -> dict[str, int]:
    kind, _, code = value.partition(":")
    if not kind:
        raise BadFaults("fail needs a command type, as in fail=config:3")
    return {kind: _integer("fail", code or str(FAILED_ON_PURPOSE))}


def _integer(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise BadFaults(f"{name} needs a whole number, not {value!r}") from error
    if not -(2**31) <= number < 2**31:
        raise BadFaults(f"{name} needs a number of 32 bits, not {value}")
    return number


def _number(name: str, value: str, most: float) -> float:
    try:
        number = float(value)
    except ValueError as error:
        raise BadFaults(f"{name} needs a number, not {value!r}") from error
    if not 0 <= number <= most:
        raise BadFaults(f"{name} needs a number from 0 to {most}, not {value}")
    return number


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that arrives `after` so many seconds."""

    after: float
    payload: bytes


class Line:
    """One device's way to the service and back."""

    def __init__(self, faults: Faults, name: str) -> None:
        self.faults = faults
        self.random = Random(f"{faults.seed} {name}")  # noqa: S311 - trouble is to be repeatable

    def up(self, payload: bytes) -> list[Arrival]:
        """What becomes of a message that the device sends."""
        if self._chance(self.faults.lie):
            payload = nonsense(payload, self.random)
        return self.down(payload)

    def down(self, payload: bytes) -> list[Arrival]:
        """What becomes of a message to the device."""
        if self._chance(self.faults.lose):
            return []
        copies = 2 if self._chance(self.faults.duplicate) else 1
        return [Arrival(self._delay(), payload) for _ in range(copies)]

    def failure(self, command: Command) -> Failed | None:
        """The failure that was asked for, if one was."""
        code = self.faults.fail.get(command.type)
        return None if code is None else Failed(code, "the simulator was asked to fail here")

    def _chance(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def _delay(self) -> float:
        delay = self.random.uniform(0, self.faults.delay) if self.faults.delay else 0.0
        return delay + (self.random.uniform(0, REORDER_HOLD) if self._chance(self.faults.reorder) else 0.0)


def nonsense(payload: bytes, random: Random) -> bytes:
    """Something that is no message in any format: all of it `MALFORMED` (WIRE.md 4.2, 4.3)."""
    kinds = (
        payload[: len(payload) // 2],
        payload + b"\x00",
        b"\xff\xfe" + random.randbytes(30),
        b'{"id": "x", "id": "y"}',
        b'{"limit": NaN, "results": [NaN]}',
        b'{"id": "\\ud800", "results": 1}',
        b"[" * 100,
        b"\x81" * 100,
    )
    return random.choice(kinds)
