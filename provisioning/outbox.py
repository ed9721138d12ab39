"""Carries out what the outbox asks for: at least once, later again if it failed.

A row is first claimed (its `due_at` moves away), then carried out with no transaction open, then deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, OutboxRow
from devices.outbox import Kind
from provisioning import brokers, publisher
from provisioning.messages import Outbound
from provisioning.wire import codec, topics
from provisioning.wire.messages import Notify

log = logging.getLogger(__name__)

CLAIM = 500
LEASE = timedelta(seconds=60)
"""For how long a claimed row is nobody else's: longer than carrying it out may take."""

RETRY_MOST = timedelta(hours=1)
RETRY_DOUBLINGS = 12
WITHIN = 1
"""Seconds in which a device that is woken alone should pull. Source: WIRE.md 5.1."""


def carry_out() -> None:
    """Carries out everything that is due now."""
    while rows := _claim(timezone.now()):
        for kind, handle in HANDLERS.items():
            if mine := [row for row in rows if row.kind == kind]:
                _try(handle, mine)
    _tend()


def _claim(now: datetime) -> list[OutboxRow]:
    with transaction.atomic():
        due = (
            OutboxRow.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=now)
            .order_by("due_at", "id")
        )
        rows = list(due[:CLAIM])
        OutboxRow.objects.filter(id__in=[row.id for row in rows]).update(due_at=now + LEASE)
    return rows


def _try(handle: Callable[[Sequence[OutboxRow]], None], rows: Sequence[OutboxRow]) -> None:
    try:
        handle(rows)
    except Exception as error:  # noqa: BLE001 - kept with the row, and tried again
        log.warning("Outbox: %d × %s failed: %s", len(rows), rows[0].kind, error)
        for row in rows:
            wait = min(timedelta(seconds=2 ** min(row.tries, RETRY_DOUBLINGS)), RETRY_MOST)
            later = {"due_at": timezone.now() + wait, "tries": row.tries + 1, "error": str(error)[:500]}
            OutboxRow.objects.filter(id=row.id).update(**later)
    else:
        OutboxRow.objects.filter(id__in=[row.id for row in rows]).delete()


def _notify(rows: Sequence[OutboxRow]) -> None:
    ids = {row.device_id for row in rows if row.device_id is not None}
    waiting = Device.objects.filter(id__in=ids, blocked=False, pending__gt=0).values_list("id", "pending")
    try:
        publisher.current().publish([_wake(device_id, pending) for device_id, pending in waiting])
    except publisher.NotSent as error:
        # Losing it costs only time: a device also pulls on connect and on its own interval (WIRE.md 5.1).
        log.warning("%d devices were not woken: %s", len(ids), error)


def _wake(device_id: UUID, pending: int) -> Outbound:
    body = codec.notify(Notify(pending=pending, within=WITHIN))
    return Outbound(topics.notify(settings.KEYSEED_MQTT_ROOT, device_id), body)


class NotYet(Exception):
    """What has to happen before has failed so far."""


def _kick(rows: Sequence[OutboxRow]) -> None:
    """Only once the broker knows: a device that is kicked before would come back."""
    ids = {row.device_id for row in rows if row.device_id is not None}
    failed = OutboxRow.objects.filter(kind=Kind.CREDENTIALS.value, tries__gt=0)
    if failed.filter(Q(device_id__in=ids) | Q(device_id=None)).exists():
        raise NotYet("The broker could not be told of their credentials so far.")
    brokers.current().kick(ids)


def _credentials(rows: Sequence[OutboxRow]) -> None:
    broker = brokers.current()
    ids = {row.device_id for row in rows if row.device_id is not None}
    if isinstance(broker, brokers.Registry) and all(row.device_id for row in rows):
        broker.devices_changed(ids)
    else:
        broker.credentials_changed()


def _tend() -> None:
    try:
        broker = brokers.current()
        if isinstance(broker, brokers.Registry):
            broker.tend()
    except Exception as error:  # noqa: BLE001 - tried again at the next sweep
        log.warning("The broker was not compared with the database: %s", error)


# Credentials first: a kicked device must find its old ones dead.
HANDLERS: Mapping[str, Callable[[Sequence[OutboxRow]], None]] = {
    Kind.CREDENTIALS.value: _credentials,
    Kind.KICK.value: _kick,
    Kind.NOTIFY.value: _notify,
}
