"""The first page: how many devices stand where, and whether anything is stuck. Counts end where lists end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from devices.admin.labels import STATUS, label
from devices.models import Device, OutboxRow
from devices.status import Status
from tenants.admin import scope
from tenants.admin.paging import MOST

admin.site.index_template = "devices/overview.html"
admin.site.index_title = "Overview"


@dataclass(frozen=True, slots=True)
class Tile:
    """How many devices have a status, and the list of them."""

    label: SafeString
    count: str
    link: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows to whoever may see devices: of a member, those of his tenants."""
    if scope.may(request, "devices.view_device"):
        context["tiles"] = _tiles(
            scope.limit(request, Device.objects.all(), "tenant_id", "devices.view_device")
        )
    if scope.may(request, "devices.view_outboxrow"):
        failed = _counted(OutboxRow.objects.filter(tries__gt=0))
        context["stuck"] = "" if failed == "0" else failed
    return context


def _tiles(devices: QuerySet[Device]) -> Sequence[Tile]:
    page = reverse("admin:devices_device_changelist")
    return [
        Tile(
            label(status, STATUS),
            _counted(devices.filter(status=status)),
            f"{page}?status__exact={status}",
        )
        for status in Status
    ]


def _counted(rows: QuerySet[Any]) -> str:
    count = rows.order_by().values("pk")[: MOST + 1].count()
    return str(count) if count <= MOST else f"{MOST}+"
