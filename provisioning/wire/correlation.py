"""A correlation id names one attempt of one command, in exactly one spelling (WIRE.md 7.1)."""

import re
from typing import Final
from uuid import UUID

from provisioning.wire import limits

_OURS: Final = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(0|[1-9a-f][0-9a-f]{0,7})"
)


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
