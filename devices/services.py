"""What owners and operators do to a device itself, for REST and the admin alike. Nothing is sent from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from devices import certificates, events, journal, outbox, store, timeline
from devices.event_kinds import Event, Kind
from devices.models import Device, IdentityKey, Tag
from devices.row import DeviceRow
from devices.timeline import Entry
from tenants import audit
from tenants.errors import Refusal


def define(tenant_id: UUID, fields: Mapping[str, str], tags: Sequence[str], by: str) -> Device:
    """A new device of this tenant; the service chooses its id. Raises `Refusal` SERIAL_NUMBER_TAKEN."""
    now = timezone.now()
    try:
        with transaction.atomic():
            device = Device.objects.create(tenant_id=tenant_id, **fields)
            _tag(device, tags)
            journal.record([Entry(device.id, now, timeline.Kind.CHANGED, {"what": "defined", "by": by})])
            events.emit([Event(tenant_id, device.id, Kind.DEFINED)], now)
    except IntegrityError:
        raise _serial_taken(fields.get("serial_number", "")) from None
    return device


def change(
    tenant_id: UUID, device_id: UUID, fields: Mapping[str, str], tags: Sequence[str] | None, by: str
) -> None:
    """Writes these fields of the device; `tags` None leaves them as they are. Raises `Refusal`."""
    now = timezone.now()
    try:
        with transaction.atomic():
            store.lock_one(tenant_id, device_id)
            if fields:
                Device.objects.filter(id=device_id).update(**fields)
            if tags is not None:
                Tag.objects.filter(device_id=device_id).delete()
                _tag(Device.objects.get(id=device_id), tags)
                # Other rules may be for it now: at its next contact they are all looked at again.
                Device.objects.filter(id=device_id).update(rules_seen=0)
            names = [*fields, *(["tags"] if tags is not None else [])]
            data = {"what": "changed", "fields": names, "by": by}
            journal.record([Entry(device_id, now, timeline.Kind.CHANGED, data)])
    except IntegrityError:
        raise _serial_taken(fields.get("serial_number", "")) from None


def delete(tenant_id: UUID, device_id: UUID) -> None:
    """Unclaims: the device, its credentials, commands and timeline are gone, then its session ends."""
    with transaction.atomic():
        remove([store.lock_one(tenant_id, device_id)], timezone.now())
        audit.record("device.unclaimed", "device", device_id, tenant_id)


def remove(held: Sequence[DeviceRow], now: datetime) -> None:
    """Takes these held devices away with all that hangs on them; then their sessions end.

    Certificates that were issued to them are revoked. Keys that were learnt of them are forgotten. An imported
    identity key stays, for whoever claims the device next.
    """
    if not held:
        return
    ids = [device.id for device in held]
    certificates.revoke(Q(device_id__in=ids), now)
    Device.objects.filter(id__in=ids).delete()
    IdentityKey.objects.filter(device_id__in=ids, learnt=True).delete()
    outbox.put(outbox.Kind.CREDENTIALS, ids, now)
    outbox.put(outbox.Kind.KICK, ids, now)
    events.emit([Event(device.tenant_id, device.id, Kind.DELETED) for device in held], now)


def _tag(device: Device, tags: Sequence[str]) -> None:
    unique = dict.fromkeys(tags)
    Tag.objects.bulk_create(Tag(device=device, tenant_id=device.tenant_id, tag=tag) for tag in unique)


def _serial_taken(serial_number: str) -> Refusal:
    return Refusal(
        "SERIAL_NUMBER_TAKEN",
        f"You have another device with serial number {serial_number!r}. Find it with "
        "GET /v1/claimed-devices?serialNumber=…, and use or delete that one.",
        {"serialNumber": ["is taken"]},
    )
