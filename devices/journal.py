"""Writes the timeline: all entries of a batch in one statement.

What somebody changed goes to the audit log as well: that stays when the device and its timeline are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from devices import rows
from devices.models import Device
from devices.timeline import Entry, Kind
from tenants import audit
from tenants.audit import Act

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
    """Writes all entries in one statement, and in two more what somebody changed into the audit log."""
    single = _folded(entries)
    written = [(e.device_id, e.at, e.kind.value, e.data, e.command_id, e.fold, e.count) for e in single]
    rows.insert("devices_timelineentry", _COLUMNS, written, _SAME_FOLD)
    _audit([entry for entry in single if entry.kind is Kind.CHANGED and "by" in entry.data])


def _audit(changes: Sequence[Entry]) -> None:
    if not changes:
        return
    found = Device.objects.filter(id__in={one.device_id for one in changes})
    tenants = dict(found.values_list("id", "tenant_id"))
    audit.record_all(_act(one, tenants.get(one.device_id)) for one in changes)


def _act(entry: Entry, tenant_id: UUID | None) -> Act:
    data = {name: value for name, value in entry.data.items() if name not in ("what", "by")}
    if entry.command_id is not None:
        data["command"] = entry.command_id
    action = f"device.{str(entry.data['what']).replace(' ', '-')}"
    return Act(action, "device", entry.device_id, tenant_id, data)


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
