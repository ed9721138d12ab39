"""A correlation id names one attempt of one command, in exactly one spelling (WIRE.md 7.1)."""

import re
from typing import Final
from uuid import UUID

from provisioning.wire import limits

_OURS: Final = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(0|[1-9a-f][0-9a-f]{0,7})"
)
_HELPERS: Final = (".s", *(f".s{number}" for number in range(1, 10)))
_HELPER: Final = re.compile(r"(.+)\.s[1-9]?", re.DOTALL)

STEPS_MOST: Final = len(_HELPERS) + 1
"""In how many steps one command can be sent."""


def make(command_id: UUID | str, attempt: int) -> str:
    """The correlation id of an attempt; raises ValueError where that is negative or over 2^31-1."""
    if attempt not in limits.ATTEMPT:
        raise ValueError(f"attempt {attempt} is not between 0 and {limits.ATTEMPT.stop - 1}")
    return f"{command_id}.{attempt:x}"


def read(text: str) -> tuple[str, int] | None:
    """The command id and attempt; None where this service cannot have made the text (WIRE.md 3.4)."""
    match = _OURS.fullmatch(text)
    if match is None:
        return None
    attempt = int(match[2], 16)
    return (match[1], attempt) if attempt in limits.ATTEMPT else None


def steps(id: str, count: int) -> tuple[str, ...]:
    """The ids of a command sent in `count` steps, 1 to `STEPS_MOST`: helpers, and last the command itself."""
    return (*(id + helper for helper in _HELPERS[: count - 1]), id)


def helped(id: str) -> str | None:
    """The id of the command that a step helps; None where the id is no helper step's."""
    match = _HELPER.fullmatch(id)
    return match and match[1]
