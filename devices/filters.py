"""Which devices a list shows. Every filter narrows; several words of one status filter widen it."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Left
from django.db.models.lookups import Exact
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from devices.models import Device, Tag
from devices.serializers import PROVISIONING_STATES, STATUSES, TAG_MOST, TAGS_MOST
from tenants import ids
from tenants.pages import Order, PageQuery
from tenants.serializers import Moment, Text

NEWEST_FIRST = Order(("claimed_at", "id"), newest_first=True)


class Words(serializers.ListField):
    """Words of a choice, repeated or parted by commas."""

    def __init__(self, choices: Collection[str], **options: Any) -> None:
        self.choices = tuple(choices)
        child = serializers.ChoiceField(choices=self.choices)
        super().__init__(child=child, required=False, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        words = _parted(data)
        if unknown := [word for word in words if word not in self.choices]:
            raise ValidationError(f"{unknown[0][:64]!r} is none of {', '.join(self.choices)}.")
        return words


class TagWords(serializers.ListField):
    """Tags, repeated or parted by commas."""

    child = Text(max_length=TAG_MOST)

    def to_internal_value(self, data: Any) -> list[str]:
        words = _parted(data)
        if len(words) > TAGS_MOST:
            raise ValidationError(f"A device has at most {TAGS_MOST} tags: ask for fewer.")
        return [self.child.run_validation(word) for word in words]


def _parted(data: Collection[str]) -> list[str]:
    return list(dict.fromkeys(part.strip() for one in data for part in one.split(",")))


class DeviceQuery(PageQuery):
    """What a list of devices can be narrowed by."""

    status = Words(STATUSES, help_text="Any of these.")
    tag = TagWords(required=False, help_text="All of these.")
    group = Text(required=False, max_length=100)
    serialNumber = Text(required=False, max_length=100, help_text="The whole number.")
    templateId = serializers.UUIDField(required=False)
    provisioningState = Words(PROVISIONING_STATES, help_text="Any of these.")
    search = Text(
        required=False,
        max_length=100,
        help_text="A device's id, or what its serial number or name begins with, in the same letter case.",
    )
    lastSeenBefore = Moment(required=False, help_text="Devices that were never seen are in neither.")
    lastSeenAfter = Moment(required=False)


_COLUMNS: Mapping[str, str] = {
    "group": "group",
    "serialNumber": "serial_number",
    "templateId": "template_id",
    "lastSeenBefore": "last_seen_at__lt",
    "lastSeenAfter": "last_seen_at__gt",
}


def narrowed(tenant_id: UUID, query: Mapping[str, Any]) -> QuerySet[Device]:
    """The tenant's devices that a checked `DeviceQuery` asks for, tags not read yet."""
    plain = {column: query[name] for name, column in _COLUMNS.items() if name in query}
    found = Device.objects.filter(
        _any("status", query.get("status")),
        _any("provisioning_state", query.get("provisioningState")),
        tenant_id=tenant_id,
        **plain,
    )
    for tag in query.get("tag", ()):
        found = found.filter(Exists(Tag.objects.filter(tenant_id=tenant_id, tag=tag, device=OuterRef("id"))))
    return found.filter(_search(query["search"])) if "search" in query else found


def _any(column: str, words: Sequence[str] | None) -> Q:
    """One word is asked for by equality: there the index of status and time has the order already."""
    if not words:
        return Q()
    return Q(**({column: words[0]} if len(words) == 1 else {f"{column}__in": words}))


def _search(text: str) -> Q:
    found = _begins("serial_number", text) | _begins("name", text)
    exact = ids.read(text)
    return found if exact is None else found | Q(id=exact)


def _begins(column: str, text: str) -> Q:
    begins = Q(**{f"{column}__startswith": text})
    if connection.vendor == "sqlite":
        # Its LIKE does not mind the letter case. Elsewhere this would only spoil the planner's estimate.
        return begins & Q(Exact(Left(column, len(text)), Value(text)))
    return begins
