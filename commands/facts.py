"""Reads from the database what `commands.explain` must know of a device besides its list."""

from __future__ import annotations

from django.conf import settings

from commands.explain import Facts
from commands.models import Command
from devices import timeline
from devices.models import Device, TimelineEntry


def facts(device: Device) -> Facts:
    """The device's facts, in three statements at most."""
    blocks = TimelineEntry.objects.filter(
        device=device, kind=timeline.Kind.CHANGED.value, data__what="blocked"
    ).order_by("-id")
    ends = Command.objects.filter(device=device, position=device.closed_through)
    return Facts(
        device.id,
        f"{settings.KEYSEED_MQTT_ROOT}/{device.id}/json/get",
        device.claimed_at,
        device.last_seen_at,
        device.credentials.exists(),
        blocks.values_list("at", flat=True).first() if device.blocked else None,
        ends.values_list("closed_at", flat=True).first(),
    )
