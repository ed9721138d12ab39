"""Tenants: listed, added, renamed. None is deleted here: its whole fleet would go with it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from tenants.admin.page import Page
from tenants.models import Tenant


@admin.register(Tenant)
class TenantPage(Page[Tenant]):
    """A few thousand rows at most."""

    list_display = ("name", "id", "created_at")
    search_fields = ("name",)
    search_help_text = "A part of the name"
    ordering = ("name",)
    fields = ("name", "id", "created_at")
    readonly_fields = ("id", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Never."""
        return False
