"""The audit log: found by object, actor and action. To look at only, as everywhere."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from tenants import ids
from tenants.acting import Kind
from tenants.admin.page import Page, display
from tenants.admin.paging import MOST
from tenants.admin.times import moment
from tenants.models import AuditEntry, Tenant

COLOURS = {
    "key": "info",
    "member": "success",
    "operator": "warning",
    "device": "default",
    "system": "default",
}


class ActionFilter(TextFilter):  # type: ignore[misc]
    """By one whole action."""

    title = "whole action"
    parameter_name = "action"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those entries."""
        action = (self.value() or "").strip()
        return queryset.filter(action=action) if action else queryset


class ActorFilter(TextFilter):  # type: ignore[misc]
    """By the whole name or id of who did it."""

    title = "whole name or id of the actor"
    parameter_name = "actor"

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those entries."""
        actor = (self.value() or "").strip()
        return queryset.filter(Q(actor=actor) | Q(actor_id=actor)) if actor else queryset


class KindFilter(DropdownFilter):  # type: ignore[misc]
    """By what sort of actor did it."""

    title = "actor"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The sorts."""
        return [(kind.value, kind.value) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those entries."""
        return queryset.filter(actor_kind=self.value()) if self.value() in COLOURS else queryset


@admin.register(AuditEntry)
class AuditPage(Page[AuditEntry]):
    """What was done, newest first."""

    tenant_path: ClassVar = "tenant_id"
    list_display = ("when", "who", "kind", "address", "action", "what", "details", "place")
    list_filter = (KindFilter, ActorFilter, ActionFilter)
    search_fields = ("object_id",)
    search_help_text = "The whole id of what it was done to"
    ordering = ("-id",)
    list_display_links = ("when",)
    fields = (
        "when",
        "tenant",
        "who",
        "kind",
        "actor_id",
        "address",
        "action",
        "what",
        "details",
        "place",
        "digest",
    )
    readonly_fields = fields
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """The newest entries of one object; the index begins with the tenant, so each of them is asked."""
        if not (term := search_term.strip().replace("\x00", "")):
            return queryset, False
        same = AuditEntry.objects.filter(object_id=str(ids.read(term) or term)).order_by("-id")
        whose = (Q(tenant_id__in=Tenant.objects.values("id")), Q(tenant_id=None))
        found = [id for one in whose for id in same.filter(one).values_list("id", flat=True)[: MOST + 1]]
        return queryset.filter(id__in=found), False

    @display(description="When (UTC)")
    def when(self, entry: AuditEntry) -> SafeString:
        """When it was done."""
        return moment(entry.at)

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """The name of who did it."""
        return entry.actor or "–"

    @display(description="As", label=COLOURS)
    def kind(self, entry: AuditEntry) -> str:
        """What sort of actor it was."""
        return entry.actor_kind

    @display(description="To what")
    def what(self, entry: AuditEntry) -> SafeString:
        """What it was done to."""
        return format_html("{} <span class='ks-mono'>{}</span>", entry.object_kind, entry.object_id)

    @display(description="Details")
    def details(self, entry: AuditEntry) -> str:
        """The data, in one line."""
        return json.dumps(entry.data, ensure_ascii=False)[1:-1] if entry.data else "–"

    @display(description="Tenant")
    def tenant(self, entry: AuditEntry) -> str:
        """Whose log tells of it."""
        if entry.tenant_id is None:
            return "the installation"
        return Tenant.objects.filter(id=entry.tenant_id).values_list("name", flat=True).first() or str(
            entry.tenant_id
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Never."""
        return False
