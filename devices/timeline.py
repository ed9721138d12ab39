"""What happened to a device, for its owner to read: 90 days and 1,000 entries of it. Plain values: no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

DAYS = 90
ENTRIES = 1_000


class Kind(StrEnum):
    """What sort of thing happened."""

    SERVED = "served"
    ANSWERED = "answered"
    CHANGED = "changed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Those of one device with the same `fold` become one row with a count."""

    device_id: UUID
    at: datetime
    kind: Kind
    data: Mapping[str, object] = field(default_factory=dict)
    command_id: UUID | None = None
    fold: str | None = None
    count: int = 1


def refusal(device_id: UUID, at: datetime, code: str, message: str) -> Entry:
    """A refused message; equal ones within a minute are one entry with a count."""
    fold = f"{code}:{at:%Y%m%d%H%M}"
    return Entry(device_id, at, Kind.REFUSED, {"code": code, "message": message}, fold=fold)
