"""Erases what has been kept long enough, and tells the audit log's head. Runs every hour.

Doing it twice, or half, does no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from commands import limits
from commands.machine import State
from commands.models import Command
from devices import bulk, certificates, outbox, store, timeline
from devices.models import BulkRequest, Credential, TimelineEntry
from provisioning.models import Redelivery
from tenants import audit
from tenants.idempotency import KEPT
from tenants.models import IdempotentAnswer

log = logging.getLogger(__name__)

CHUNK = 500
"""Rows a transaction: none of them may hold up devices for long."""

SECONDS = 15.0
"""How long one run goes on: a task may take 25 s, and what is left is for the next hour."""

LOOK_BACK = timedelta(days=1)
"""Only devices that something happened to since then can have grown too long a timeline."""


def run() -> None:
    """All of it, as far as the time allows."""
    now, end = timezone.now(), time.monotonic() + SECONDS
    _tell_head()
    steps = (_secrets(now), _credentials(now), _old_entries(now), _long_timelines(now))
    IdempotentAnswer.objects.filter(created_at__lt=now - KEPT).delete()
    BulkRequest.objects.filter(completed_at__lt=now - bulk.KEPT).delete()
    Redelivery.objects.filter(at__lt=now - LOOK_BACK).delete()
    certificates.forget(now)
    for step in steps:
        for _ in step:
            if time.monotonic() > end:
                return


def _tell_head() -> None:
    """Whoever ships the logs has what later proves that the audit log was not made anew."""
    audit.seal_all(seconds=SECONDS / 3)
    log.info("The head of the audit log is %s", audit.head())


def _secrets(now: datetime) -> Iterator[None]:
    """Secrets of commands that FAILED long ago. A reset may be about to use them: the device's row is held."""
    old = Q(
        status=State.FAILED.value,
        secrets__isnull=False,
        closed_at__lt=now - timedelta(days=limits.SECRET_DAYS),
    )
    while found := list(Command.objects.filter(old).values_list("id", "device_id")[:CHUNK]):
        with transaction.atomic():
            store.lock({device_id for _, device_id in found})
            Command.objects.filter(old, id__in=[id for id, _ in found]).update(secrets=None)
        yield


def _credentials(now: datetime) -> Iterator[None]:
    """Credentials that have expired; brokers that keep a list of their own hear of it."""
    expired = Q(expires_at__lt=now)
    while found := list(Credential.objects.filter(expired).values_list("id", "device_id")[:CHUNK]):
        devices = {device_id for _, device_id in found}
        with transaction.atomic():
            store.lock(devices)
            gone = Credential.objects.filter(expired, id__in=[id for id, _ in found])
            ended = certificates.run_out(gone, now)
            gone.delete()
            outbox.put(outbox.Kind.CREDENTIALS, [None], now)
            outbox.put(outbox.Kind.KICK, ended, now)
        yield


def _old_entries(now: datetime) -> Iterator[None]:
    old = TimelineEntry.objects.filter(at__lt=now - timedelta(days=timeline.DAYS))
    while ids := list(old.values_list("id", flat=True)[:CHUNK]):
        TimelineEntry.objects.filter(id__in=ids).delete()
        yield


def _long_timelines(now: datetime) -> Iterator[None]:
    """Keeps the newest entries of a device that has too many."""
    lately = TimelineEntry.objects.filter(at__gt=now - LOOK_BACK).values("device_id").distinct()
    for device_id in lately.values_list("device_id", flat=True).iterator():
        entries = TimelineEntry.objects.filter(device_id=device_id).order_by("-id")
        place = timeline.ENTRIES - 1
        for oldest_kept in entries.values_list("id", flat=True)[place : place + 1]:
            TimelineEntry.objects.filter(device_id=device_id, id__lt=oldest_kept).delete()
        yield
