"""Puts devices with commands into the database, many at a time."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from commands import catalogue
from commands.models import Command
from devices.models import Device
from tenants.models import Tenant

CHUNK = 2_000


def fill(count: int, requests: Sequence[dict[str, object]]) -> list[str]:
    """Makes `count` devices of the tenant `default` with these commands; returns their ids."""
    now = timezone.now()
    checked = [catalogue.check(request, now) for request in requests]
    tenant = Tenant.objects.get(name="default")
    ids: list[str] = []
    for start in range(0, count, CHUNK):
        devices = Device.objects.bulk_create(
            Device(tenant=tenant, serial_number=f"bench-{start + number}", pending=len(checked))
            for number in range(min(CHUNK, count - start))
        )
        Command.objects.bulk_create(
            Command(device=device, position=place, type=one.type.name, request=one.params, created_at=now)
            for device in devices
            for place, one in enumerate(checked, start=1)
        )
        ids += [str(device.id) for device in devices]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # What autovacuum does within a minute of such an import; a run must not begin without statistics.
            cursor.execute("VACUUM ANALYZE")
    return ids
