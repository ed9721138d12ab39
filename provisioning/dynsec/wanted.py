"""What the database says of who may sign in at a broker that has a record of each device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from devices import credentials, field_keys, passwords
from devices.models import Credential, Device, OutboxRow
from devices.outbox import Kind
from provisioning.dynsec.records import Wanted

KINDS = (Credential.Kind.PASSWORD, Credential.Kind.CERTIFICATE)


def devices(ids: Collection[UUID] | None = None) -> dict[UUID, Wanted]:
    """Every one of these devices, None: of all, that has a valid password or certificate, blocked or not."""
    valid = Credential.objects.filter(credentials.alive(timezone.now()), kind__in=KINDS)
    if ids is not None:
        valid = valid.filter(device_id__in=ids)
    given: dict[UUID, dict[str, str]] = defaultdict(dict)
    certified, blocked = set(), {}
    rows = valid.order_by("created_at").values_list("device_id", "device__blocked", "kind", "id", "digest")
    for device_id, is_blocked, kind, id, digest in rows.iterator():
        blocked[device_id] = is_blocked
        if kind == Credential.Kind.PASSWORD:
            given[device_id][str(id)] = digest
        else:
            certified.add(device_id)
    return {id: Wanted(is_blocked, given.get(id, {}), id in certified) for id, is_blocked in blocked.items()}


def secrets(wanted: Mapping[UUID, Wanted]) -> dict[UUID, str]:
    """The newest password of those of these devices for which the outbox still holds it, opened to be sent.

    Raises `pki.sealing.CannotOpen` where its key is not configured.
    """
    rows = OutboxRow.objects.filter(kind=Kind.CREDENTIALS.value, device_id__in=list(wanted))
    sealer = field_keys.sealer()
    found: dict[UUID, str] = {}
    for device_id, sealed in rows.exclude(secret="").values_list("device_id", "secret"):
        one = wanted.get(device_id) if device_id else None
        if one is None or one.newest is None or device_id is None:
            continue
        secret = sealer.open(sealed)[credentials.SEALED]
        if passwords.matches(secret, one.passwords[one.newest]):
            found[device_id] = secret
    return found


def count() -> int:
    """How many devices the broker has to keep."""
    kinds = Q(credentials__kind__in=KINDS)
    return Device.objects.filter(kinds).distinct().count()
