"""REST for the audit log: what was done in the tenant, by whom, and each entry's place in the chain."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import ids, pages
from tenants.acting import Kind
from tenants.auth import caller
from tenants.models import AuditEntry
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import Moment, Text
from tenants.views import Endpoint

ACTOR_KINDS = [kind.value for kind in Kind]
NEWEST_FIRST = Order(("id",), newest_first=True)


class AuditQuery(PageQuery):
    """Which entries of the log; every filter narrows."""

    actor = Text(required=False, max_length=200, help_text="The whole id or name of who did it.")
    action = Text(required=False, max_length=60, help_text="The whole word, such as `device.blocked`.")
    objectId = Text(required=False, max_length=40, help_text="The whole id of what it was done to.")
    since = Moment(required=False, help_text="At this time or later.")
    until = Moment(required=False, help_text="Before this time.")


class AuditActor(serializers.Serializer[AuditEntry]):
    """Who did it."""

    kind = serializers.ChoiceField(source="actor_kind", choices=ACTOR_KINDS)
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor")


class AuditObject(serializers.Serializer[AuditEntry]):
    """What it was done to."""

    kind = serializers.CharField(source="object_kind")
    id = serializers.CharField(source="object_id")


class AuditEntrySerializer(serializers.Serializer[AuditEntry]):
    """An entry of the log. It is never changed; `place` and `digest` come within seconds."""

    at = Moment()
    actor = AuditActor(source="*")
    address = serializers.CharField(
        help_text="The IP address that it came from, empty where it is not known."
    )
    action = serializers.CharField()
    object = AuditObject(source="*")
    data = serializers.DictField(  # type: ignore[assignment]  # a declared field is no attribute
        child=serializers.JSONField(allow_null=True),
        help_text="Names of fields, ids and states; never a secret.",
    )
    place = serializers.IntegerField(allow_null=True, help_text="In the chain; null until it is sealed.")
    digest = serializers.CharField(help_text="SHA-256 over the entry and the one before; empty until then.")


class AuditLog(Endpoint):
    """What was done in the tenant."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"GET": Role.ADMIN}
    queries: ClassVar = {"GET": AuditQuery}

    @extend_schema(
        operation_id="listAuditLog", responses=pages.schema("AuditEntryPage", AuditEntrySerializer)
    )
    def get(self, request: Request) -> Response:
        """Who changed what in your tenant, newest first. Nothing of it is ever changed or erased."""
        own = AuditEntry.objects.filter(tenant_id=caller(request).tenant_id)
        return self.page(_narrowed(own, self.query), NEWEST_FIRST, AuditEntrySerializer)


def _narrowed(found: QuerySet[AuditEntry], query: Mapping[str, Any]) -> QuerySet[AuditEntry]:
    if actor := query.get("actor"):
        found = found.filter(Q(actor_id=_id(actor)) | Q(actor=actor))
    if action := query.get("action"):
        found = found.filter(action=action)
    if object_id := query.get("objectId"):
        found = found.filter(object_id=_id(object_id))
    if since := query.get("since"):
        found = found.filter(at__gte=since)
    if until := query.get("until"):
        found = found.filter(at__lt=until)
    return found


def _id(text: str) -> str:
    """A UUID in its one written form; any other id as it is."""
    return str(ids.read(text) or text)
