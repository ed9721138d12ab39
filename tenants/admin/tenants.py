"""Tenants: listed, added, renamed. None is deleted here: its whole fleet would go with it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tenants.admin.page import Page, display
from tenants.admin.times import moment
from tenants.models import Tenant


@admin.register(Tenant)
class TenantPage(Page[Tenant]):
    """A few thousand rows at most."""

    list_display = ("name", "id", "created")
    search_fields = ("name",)
    search_help_text = "A part of the name"
    ordering = ("name",)
    fields = ("name", "id", "created")
    readonly_fields = ("id", "created")

    @display(description="Created (UTC)")
    def created(self, tenant: Tenant) -> SafeString:
        """When it was made."""
        return moment(tenant.created_at)

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Never."""
        return False
