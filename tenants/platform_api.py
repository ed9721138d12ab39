"""REST for tenants themselves: whoever has the platform key makes and lists them, and sees nothing in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import bootstrap, idempotency, pages
from tenants.errors import Refusal
from tenants.idempotency import Body, Made
from tenants.models import Tenant
from tenants.pages import Order, PageQuery
from tenants.roles import Platform
from tenants.serializers import MadeTenant, NewTenant, TenantSerializer
from tenants.views import Endpoint


class Tenants(Endpoint):
    """All tenants of the installation."""

    topic: ClassVar = "Platform"
    roles: ClassVar = {"GET": Platform.PLATFORM, "POST": Platform.PLATFORM}
    queries: ClassVar = {"GET": PageQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listTenants", responses=pages.schema("TenantPage", TenantSerializer))
    def get(self, request: Request) -> Response:
        """Every tenant, newest first. Only for the platform key."""
        return self.page(
            Tenant.objects.all(), Order(("created_at", "id"), newest_first=True), TenantSerializer
        )

    @extend_schema(operation_id="createTenant", request=NewTenant, responses={201: MadeTenant})
    def post(self, request: Request) -> Response:
        """Makes a tenant with its first owner's API key, shown once. Only for the platform key.

        Whoever gets the key should make one of their own with it and revoke this one.
        """

        def act(given: dict[str, Any]) -> Made:
            made, key = bootstrap.new_tenant(given["name"], sandbox=given["sandbox"])
            return Made([made.id], {**TenantSerializer(made).data, "apiKey": key})

        def again(ids: Sequence[UUID]) -> Body | None:
            found = Tenant.objects.filter(id__in=ids).first()
            return {**TenantSerializer(found).data, "secretShown": True} if found else None

        return idempotency.create(request, lambda: NewTenant.read(request.data), act, again)


class OneTenant(Endpoint):
    """One tenant of the installation."""

    topic: ClassVar = "Platform"
    roles: ClassVar = {"GET": Platform.PLATFORM}

    @extend_schema(operation_id="getOneTenant", responses=TenantSerializer)
    def get(self, request: Request, tenant_id: UUID) -> Response:
        """The tenant; nothing that is in it. Only for the platform key."""
        found = Tenant.objects.filter(id=tenant_id).first()
        if found is None:
            raise Refusal("NOT_FOUND", "There is no such tenant. List them with GET /v1/tenants.")
        return Response(TenantSerializer(found).data)
