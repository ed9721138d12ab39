"""Filters and search of the device list: each asks what an index or the list's own order soon answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from devices.models import Device, Tag
from devices.status import Status
from tenants.models import Tenant

SEARCH_MOST = 100
"""Characters of a search: names and serial numbers have no more."""


class TagFilter(TextFilter):  # type: ignore[misc]
    """By one whole tag: there may be any number of them, so none is listed."""

    title = "whole tag"
    parameter_name = "tag"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """The index on tags begins with the tenant, so it is asked for each of them."""
        tag = (self.value() or "").strip()
        if not tag:
            return queryset
        tagged = Tag.objects.filter(tenant__in=Tenant.objects.values("id"), tag=tag)
        return queryset.filter(id__in=tagged.values("device_id"))


class BlockedFilter(DropdownFilter):  # type: ignore[misc]
    """Blocked or not; a device is BLOCKED if and only if it is blocked, and its status has an index."""

    title = "blocked"
    parameter_name = "blocked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "Blocked"), ("no", "Not blocked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """Those devices."""
        match self.value():
            case "yes":
                return queryset.filter(status=Status.BLOCKED)
            case "no":
                return queryset.exclude(status=Status.BLOCKED)
        return queryset


class LastSeenFilter(DropdownFilter):  # type: ignore[misc]
    """By how long ago a device was last heard of."""

    title = "last seen"
    parameter_name = "seen"
    spans: Mapping[str, tuple[str, timedelta]] = {
        "hour": ("hour", timedelta(hours=1)),
        "day": ("24 hours", timedelta(days=1)),
        "week": ("7 days", timedelta(days=7)),
        "month": ("30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Within each span, not within each span, never."""
        within = [(name, f"Within the last {text}") for name, (text, _) in self.spans.items()]
        before = [(f"not-{name}", f"Not within the last {text}") for name, (text, _) in self.spans.items()]
        return [*within, *before, ("never", "Never")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """Those devices; one that was never heard of is not among the late ones."""
        value = self.value() or ""
        if value == "never":
            return queryset.filter(last_seen_at=None)
        span = self.spans.get(value.removeprefix("not-"))
        if span is None:
            return queryset
        since = timezone.now() - span[1]
        late = value.startswith("not-")
        return queryset.filter(Q(last_seen_at__lt=since) if late else Q(last_seen_at__gte=since))


def search(queryset: QuerySet[Device], term: str) -> QuerySet[Device]:
    """By a whole id, or the beginning of a serial number or name: as typed, in capitals, in small letters."""
    term = term.strip()
    if not term:
        return queryset
    if len(term) > SEARCH_MOST:
        return queryset.none()
    wanted = Q()
    for typed in dict.fromkeys((term, term.upper(), term.lower())):
        wanted |= Q(serial_number__startswith=typed) | Q(name__startswith=typed)
    found = uuid(term)
    return queryset.filter(wanted if found is None else wanted | Q(id=found))


def uuid(term: str) -> UUID | None:
    """The UUID that somebody typed, None if it is none."""
    try:
        return UUID(term)
    except ValueError:
        return None
