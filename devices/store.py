"""Holds and writes device rows. Whoever changes anything of a device comes through `lock` first (law 9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from uuid import UUID

from django.db.models import Prefetch

from devices import rows
from devices.models import Device, Tag
from devices.row import DeviceRow
from tenants.errors import Refusal

TAGS = Prefetch("tags", queryset=Tag.objects.order_by("id"))
"""Reads the tags of all devices of a page in one statement, in the order they were given."""

_READ = tuple(field.name for field in fields(DeviceRow))
_WRITTEN: Mapping[str, str] = {
    "id": "uuid",
    "blocked": "boolean",
    "status": "text",
    "pending": "integer",
    "closed_through": "integer",
    "last_seen_at": "timestamptz",
    "next_get_at": "timestamptz",
    "notified_at": "timestamptz",
    "rules_seen": "integer",
}


def lock(ids: Collection[UUID]) -> dict[UUID, DeviceRow]:
    """The rows of these devices, held until the transaction ends; ids that are no device are left out.

    Ascending ids, so that two transactions never wait for each other. The weaker lock (NO KEY) lets rows that
    only refer to the device be inserted meanwhile.
    """
    held = Device.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    return {row[0]: DeviceRow(*row) for row in held.values_list(*_READ)}


def lock_one(tenant_id: UUID, device_id: UUID) -> DeviceRow:
    """One device of this tenant, held. Raises `Refusal` NOT_FOUND, also for another tenant's device.

    The statement itself asks for the tenant: another's device is neither held nor waited for.
    """
    held = Device.objects.select_for_update(no_key=True).filter(id=device_id, tenant_id=tenant_id)
    row = held.values_list(*_READ).first()
    if row is None:
        raise not_found()
    return DeviceRow(*row)


def read(tenant_id: UUID, device_id: UUID) -> Device | None:
    """One device of this tenant with its tags, to be shown; None, also for another tenant's device."""
    return Device.objects.filter(id=device_id, tenant_id=tenant_id).prefetch_related(TAGS).first()


def find(tenant_id: UUID, device_id: UUID) -> Device:
    """The same. Raises `Refusal` NOT_FOUND."""
    found = read(tenant_id, device_id)
    if found is None:
        raise not_found()
    return found


def row(device: Device) -> DeviceRow:
    """What the rules see of a device that was read to be shown."""
    return DeviceRow(*(getattr(device, name) for name in _READ))


def not_found() -> Refusal:
    """What is said of every device that the asker has not: it may not exist or be another tenant's."""
    return Refusal("NOT_FOUND", "There is no such device. List yours with GET /v1/claimed-devices.")


def write(changed: Sequence[DeviceRow]) -> None:
    """Writes what the rules may change of these held rows, in one statement."""
    rows.update("devices_device", _WRITTEN, [_values(row) for row in changed])


def _values(row: DeviceRow) -> list[rows.Value]:
    return [getattr(row, name) for name in _WRITTEN]
