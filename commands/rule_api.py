"""REST for provisioning rules and described tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from commands import rules, tags
from commands.preview import preview
from commands.rule_serializers import (
    NewRule,
    NewTag,
    PreviewSerializer,
    RuleChange,
    RuleQuery,
    RuleSerializer,
    TagSerializer,
)
from commands.rules import Part
from commands.serializers import new
from tenants import idempotency, pages
from tenants.auth import caller
from tenants.idempotency import Body, Made
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import Nothing
from tenants.views import Endpoint

TOPIC = "Rules"
OLDEST_FIRST = Order(("created_at", "id"))
BY_TAG = Order(("tag", "id"))


def _shown(tenant_id: UUID, rule_id: UUID) -> Body:
    return RuleSerializer(rules.find(tenant_id, rule_id)).data


def _parts(given: Mapping[str, Any]) -> list[Part]:
    return rules.check([new(one) for one in given["commands"]])


def _fields(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: given[name] for name in ("name", "description") if name in given}


class Rules(Endpoint):
    """The tenant's rules."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.ADMIN}
    queries: ClassVar = {"GET": RuleQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listRules", responses=pages.schema("RulePage", RuleSerializer))
    def get(self, request: Request) -> Response:
        """Your provisioning rules, in the order in which they go to devices."""
        return self.page(rules.of_tenant(caller(request).tenant_id), OLDEST_FIRST, RuleSerializer)

    @extend_schema(operation_id="createRule", request=NewRule, responses={201: RuleSerializer})
    def post(self, request: Request) -> Response:
        """Makes a rule: its commands go to every device that has all its tags, once, at its next contact."""
        tenant_id = caller(request).tenant_id

        def check() -> tuple[dict[str, Any], list[Part]]:
            given = NewRule.read(request.data)
            return given, _parts(given)

        def act(checked: tuple[dict[str, Any], list[Part]]) -> Made:
            given, parts = checked
            made = rules.make(tenant_id, _fields(given), given["tags"], parts, active=given["active"])
            return Made([made], _shown(tenant_id, made))

        def again(ids: Sequence[UUID]) -> Body | None:
            found = rules.read(tenant_id, ids[0])
            return RuleSerializer(found).data if found else None

        return idempotency.create(request, check, act, again)


class OneRule(Endpoint):
    """One rule."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER, "PATCH": Role.ADMIN, "DELETE": Role.ADMIN}

    @extend_schema(operation_id="getRule", responses=RuleSerializer)
    def get(self, request: Request, rule_id: UUID) -> Response:
        """The rule."""
        return Response(_shown(caller(request).tenant_id, rule_id))

    @extend_schema(operation_id="changeRule", request=RuleChange, responses=RuleSerializer)
    def patch(self, request: Request, rule_id: UUID) -> Response:
        """Changes what is named. Tags and commands only of a rule that has never been active."""
        tenant_id, given = caller(request).tenant_id, RuleChange.read(request.data)
        parts = _parts(given) if "commands" in given else None
        with transaction.atomic():
            rules.change(tenant_id, rule_id, _fields(given), given.get("tags"), parts, given.get("active"))
            return Response(_shown(tenant_id, rule_id))

    @extend_schema(operation_id="deleteRule", responses={204: None})
    def delete(self, request: Request, rule_id: UUID) -> Response:
        """Deletes the rule; commands that it gave to devices stay."""
        rules.delete(caller(request).tenant_id, rule_id)
        return Response(status=204)


class Preview(Endpoint):
    """What a rule would do."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"POST": Role.VIEWER}

    @extend_schema(operation_id="previewRule", request=Nothing, responses=PreviewSerializer)
    def post(self, request: Request, rule_id: UUID) -> Response:
        """Which devices the rule is for and which commands they would get; changes nothing."""
        Nothing.read(request.data)
        return Response(PreviewSerializer(preview(rules.find(caller(request).tenant_id, rule_id))).data)


class ProvisioningTags(Endpoint):
    """The tenant's described tags."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.EDITOR}
    queries: ClassVar = {"GET": PageQuery}

    @extend_schema(operation_id="listTags", responses=pages.schema("TagPage", TagSerializer))
    def get(self, request: Request) -> Response:
        """Tags that have a description; devices may carry others too."""
        return self.page(tags.of_tenant(caller(request).tenant_id), BY_TAG, TagSerializer)

    @extend_schema(
        operation_id="describeTag", request=NewTag, responses={200: TagSerializer, 201: TagSerializer}
    )
    def post(self, request: Request) -> Response:
        """Describes a tag: 201 the first time, 200 after that. Doing it twice does no harm."""
        tenant_id, given = caller(request).tenant_id, NewTag.read(request.data)
        with transaction.atomic():
            made = tags.describe(tenant_id, given["tag"], given.get("description"))
            shown = TagSerializer(tags.of_tenant(tenant_id).get(tag=given["tag"])).data
        return Response(shown, status=201 if made else 200)
