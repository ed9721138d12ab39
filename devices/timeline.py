"""What happened to a device, for its owner to read: 90 days and 1,000 entries of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from devices import rows

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


_COLUMNS = {
    "device_id": "uuid",
    "at": "timestamptz",
    "kind": "text",
    "data": "jsonb",
    "command_id": "uuid",
    "fold": "text",
    "count": "integer",
}
_SAME_FOLD = (
    "ON CONFLICT (device_id, fold) WHERE fold IS NOT NULL "
    "DO UPDATE SET count = t.count + excluded.count, at = excluded.at"
)


def refusal(device_id: UUID, at: datetime, code: str, message: str) -> Entry:
    """A refused message; equal ones within a minute are one entry with a count."""
    fold = f"{code}:{at:%Y%m%d%H%M}"
    return Entry(device_id, at, Kind.REFUSED, {"code": code, "message": message}, fold=fold)


def record(entries: Iterable[Entry]) -> None:
    """Writes all entries in one statement."""
    written = [
        (e.device_id, e.at, e.kind.value, e.data, e.command_id, e.fold, e.count) for e in _folded(entries)
    ]
    rows.insert("devices_timelineentry", _COLUMNS, written, _SAME_FOLD)


def _folded(entries: Iterable[Entry]) -> list[Entry]:
    """One statement may not touch a row twice, so equal folds are added up first."""
    single: list[Entry] = []
    folds: dict[tuple[UUID, str], Entry] = {}
    for entry in entries:
        if entry.fold is None:
            single.append(entry)
            continue
        same = folds.get((entry.device_id, entry.fold))
        count = entry.count + (same.count if same else 0)
        folds[entry.device_id, entry.fold] = replace(entry, count=count)
    return single + list(folds.values())
