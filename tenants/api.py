"""REST for the tenant itself and its API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import audit, idempotency, keys, pages
from tenants.auth import caller
from tenants.idempotency import Body, Made
from tenants.models import APIKey, Tenant
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import APIKeySerializer, MadeAPIKey, NewAPIKey, TenantChange, TenantSerializer
from tenants.views import Endpoint

_COLUMNS = {"jwtWithoutExpiry": "jwt_without_expiry", "jwtAudienceRequired": "jwt_audience_required"}


class TheTenant(Endpoint):
    """The tenant that the key belongs to."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"GET": Role.VIEWER, "PATCH": Role.OWNER}

    @extend_schema(operation_id="getTenant", responses=TenantSerializer)
    def get(self, request: Request) -> Response:
        """The tenant that your key belongs to."""
        return Response(TenantSerializer(Tenant.objects.get(id=caller(request).tenant_id)).data)

    @extend_schema(operation_id="changeTenant", request=TenantChange, responses=TenantSerializer)
    def patch(self, request: Request) -> Response:
        """Changes what is named: how devices of the tenant may sign in."""
        given = TenantChange.read(request.data)
        changes = {column: given[name] for name, column in _COLUMNS.items() if name in given}
        tenant_id = caller(request).tenant_id
        found = Tenant.objects.filter(id=tenant_id)
        if changes:
            with transaction.atomic():
                found.update(**changes)
                audit.record("tenant.changed", "tenant", tenant_id, tenant_id, changes)
        return Response(TenantSerializer(found.get()).data)


class APIKeys(Endpoint):
    """The tenant's API keys."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"GET": Role.ADMIN, "POST": Role.ADMIN}
    queries: ClassVar = {"GET": PageQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listAPIKeys", responses=pages.schema("APIKeyPage", APIKeySerializer))
    def get(self, request: Request) -> Response:
        """The tenant's keys, newest first, revoked ones too."""
        found = APIKey.objects.filter(tenant_id=caller(request).tenant_id)
        return self.page(found, Order(("created_at", "id"), newest_first=True), APIKeySerializer)

    @extend_schema(operation_id="createAPIKey", request=NewAPIKey, responses={201: MadeAPIKey})
    def post(self, request: Request) -> Response:
        """Makes a key, at most of your own role; its text is shown in this answer and never again."""
        asker = caller(request)

        def act(given: dict[str, Any]) -> Made:
            made, text = keys.make(
                asker.tenant_id, asker.role, given["name"], Role(given["role"]), given.get("expiresAt")
            )
            return Made([made.id], {**APIKeySerializer(made).data, "key": text})

        def again(ids: Sequence[UUID]) -> Body | None:
            found = APIKey.objects.filter(tenant_id=asker.tenant_id, id__in=ids).first()
            return {**APIKeySerializer(found).data, "secretShown": True} if found else None

        return idempotency.create(request, lambda: NewAPIKey.read(request.data), act, again)


class OneAPIKey(Endpoint):
    """One of the tenant's API keys."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"DELETE": Role.ADMIN}

    @extend_schema(operation_id="revokeAPIKey", responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revokes the key: it opens nothing from now on. It stays in the list."""
        asker = caller(request)
        with transaction.atomic():
            keys.revoke(asker.tenant_id, asker.role, key_id)
        return Response(status=204)
