"""Writes the timeline: all entries of a batch in one statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from devices import rows
from devices.timeline import Entry

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
