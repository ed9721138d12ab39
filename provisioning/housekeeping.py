"""Erases what has been kept long enough. Runs every hour; doing it twice does no harm."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from commands import limits
from commands.machine import State
from commands.models import Command
from devices import timeline
from devices.models import Credential, TimelineEntry
from provisioning.models import Redelivery
from tenants.models import IdempotentAnswer

CHUNK = 5_000
"""Rows a statement: a deletion must not hold locks for long."""


def run() -> None:
    """All of it."""
    now = timezone.now()
    failed = Q(status=State.FAILED.value, secrets__isnull=False)
    old = Q(closed_at__lt=now - timedelta(days=limits.SECRET_DAYS))
    Command.objects.filter(failed & old).update(secrets=None)
    Credential.objects.filter(expires_at__lt=now).delete()
    IdempotentAnswer.objects.filter(created_at__lt=now - timedelta(hours=24)).delete()
    Redelivery.objects.filter(at__lt=now - timedelta(days=1)).delete()
    _trim_old(now - timedelta(days=timeline.DAYS))
    _trim_long()


def _trim_old(before: object) -> None:
    while ids := list(TimelineEntry.objects.filter(at__lt=before).values_list("id", flat=True)[:CHUNK]):
        TimelineEntry.objects.filter(id__in=ids).delete()


def _trim_long() -> None:
    """Keeps the newest entries of a device that has too many."""
    long = TimelineEntry.objects.values("device_id").annotate(n=Count("id")).filter(n__gt=timeline.ENTRIES)
    for device_id in long.values_list("device_id", flat=True):
        entries = TimelineEntry.objects.filter(device_id=device_id).order_by("-id")
        oldest_kept = entries.values_list("id", flat=True)[timeline.ENTRIES - 1]
        TimelineEntry.objects.filter(device_id=device_id, id__lt=oldest_kept).delete()
