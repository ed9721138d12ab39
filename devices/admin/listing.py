"""The device list: one order, and every column from three statements, whatever the fleet's size."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from devices.admin import filters
from devices.admin.labels import STATUS, label
from devices.models import Device
from devices.status import Status
from tenants.admin.page import Page, display
from tenants.admin.times import moment

STATUS_QUERY = "status__exact"
TAGS_SHOWN = 4


class DeviceList(Page[Device]):
    """The columns, filters and search."""

    tenant_path = "tenant_id"
    list_display = ("device", "serial_number", "tenant", "status_label", "pending", "seen", "tags_shown")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        filters.BlockedFilter,
        filters.TagFilter,
        ("tenant", AutocompleteSelectFilter),
        ("provisioning_state", ChoicesDropdownFilter),
        filters.LastSeenFilter,
    )
    list_select_related = ("tenant",)
    ordering = ("-claimed_at", "-id")
    search_fields = ("id",)
    search_help_text = "Id, or beginning of serial number or name"
    list_before_template = "devices/statuses.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        """Devices with what their rows show."""
        return super().get_queryset(request).prefetch_related("tags")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Device], search_term: str
    ) -> tuple[QuerySet[Device], bool]:
        """By indexes only, and without duplicates."""
        return filters.search(queryset, search_term), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with a link for each status above it that keeps the other filters."""
        return super().changelist_view(request, {**_statuses(request), **(extra_context or {})})

    @display(description="Device")
    def device(self, device: Device) -> SafeString:
        """Name and id."""
        return format_html(
            "<span class='ks-two'><strong>{}</strong><span class='ks-mono ks-dim'>{}</span></span>",
            device.name or "–",
            device.id,
        )

    @display(description="Status", label=STATUS)
    def status_label(self, device: Device) -> str:
        """The status in its colour."""
        return device.status

    @display(description="Last seen (UTC)")
    def seen(self, device: Device) -> SafeString:
        """When the device was last heard of."""
        return moment(device.last_seen_at)

    @display(description="Tags")
    def tags_shown(self, device: Device) -> SafeString:
        """The first tags, and how many more there are."""
        tags = sorted(tag.tag for tag in device.tags.all())
        shown = format_html_join(" ", "<span class='ks-tag'>{}</span>", ((tag,) for tag in tags[:TAGS_SHOWN]))
        more = len(tags) - TAGS_SHOWN
        return format_html("{} <span class='ks-dim'>+{}</span>", shown, more) if more > 0 else shown


def _statuses(request: HttpRequest) -> dict[str, Any]:
    others = request.GET.copy()
    for name in (STATUS_QUERY, PAGE_VAR):
        others.pop(name, None)
    links = []
    for word in Status:
        query = others.copy()
        query[STATUS_QUERY] = word
        links.append({"word": word.value, "label": label(word, STATUS), "link": f"?{query.urlencode()}"})
    return {
        "statuses": links,
        "statuses_all": f"?{others.urlencode()}",
        "status_chosen": request.GET.get(STATUS_QUERY, ""),
    }
