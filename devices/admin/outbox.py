"""What must still happen outside: rows that stay here are in trouble, and their last error says why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter

from devices.models import OutboxRow
from tenants.admin.page import Page, display
from tenants.admin.times import moment


class TroubleFilter(DropdownFilter):  # type: ignore[misc]
    """Rows that were tried and failed."""

    title = "trouble"
    parameter_name = "tries"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("failed", "Failed at least once")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> QuerySet[OutboxRow]:
        """Those rows; the table holds only what is not done yet."""
        return queryset.filter(tries__gt=0) if self.value() == "failed" else queryset


@admin.register(OutboxRow)
class OutboxPage(Page[OutboxRow]):
    """To look at only: `provisioning.outbox` carries rows out and deletes them."""

    list_display = ("kind", "device", "created", "due", "tries", "error")
    list_filter = (TroubleFilter,)
    list_display_links = None
    ordering = ("due_at", "id")

    @display(description="Device")
    def device(self, row: OutboxRow) -> str:
        """A link to the device."""
        if row.device_id is None:
            return "the installation"
        link = reverse("admin:devices_device_change", args=[row.device_id])
        return format_html("<a class='ks-mono' href='{}'>{}</a>", link, row.device_id)

    @display(description="Asked for")
    def created(self, row: OutboxRow) -> str:
        """When the row was written."""
        return moment(row.created_at)

    @display(description="Next try (UTC)")
    def due(self, row: OutboxRow) -> str:
        """When it is tried next."""
        return f"{row.due_at:%Y-%m-%d %H:%M:%S}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxRow | None = None) -> bool:
        """Never."""
        return False
