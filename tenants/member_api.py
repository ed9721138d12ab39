"""REST for the tenant's members: who may sign in to the admin and see the tenant there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import idempotency, members, pages
from tenants.auth import caller
from tenants.idempotency import Body, Made
from tenants.models import Member
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import MadeMember, MemberChange, MemberSerializer, NewMember
from tenants.views import Endpoint


class Members(Endpoint):
    """The tenant's members."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"GET": Role.ADMIN, "POST": Role.OWNER}
    queries: ClassVar = {"GET": PageQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listMembers", responses=pages.schema("MemberPage", MemberSerializer))
    def get(self, request: Request) -> Response:
        """Who may sign in to the admin and see the tenant there, newest first."""
        found = Member.objects.filter(tenant_id=caller(request).tenant_id).select_related("user")
        return self.page(found, Order(("created_at", "id"), newest_first=True), MemberSerializer)

    @extend_schema(operation_id="createMember", request=NewMember, responses={201: MadeMember})
    def post(self, request: Request) -> Response:
        """Makes a member; a new user's password is shown in this answer and never again."""
        asker = caller(request)

        def act(given: dict[str, Any]) -> Made:
            made, password = members.make(
                asker.tenant_id, given["userName"], Role(given["role"]), existing=given["existing"]
            )
            shown = {} if password is None else {"password": password}
            return Made([made.id], {**MemberSerializer(made).data, **shown})

        def again(ids: Sequence[UUID]) -> Body | None:
            found = (
                Member.objects.filter(tenant_id=asker.tenant_id, id__in=ids).select_related("user").first()
            )
            return {**MemberSerializer(found).data, "secretShown": True} if found else None

        return idempotency.create(request, lambda: NewMember.read(request.data), act, again)


class OneMember(Endpoint):
    """One of the tenant's members."""

    topic: ClassVar = "Tenant"
    roles: ClassVar = {"GET": Role.ADMIN, "PATCH": Role.OWNER, "DELETE": Role.OWNER}

    @extend_schema(operation_id="getMember", responses=MemberSerializer)
    def get(self, request: Request, member_id: UUID) -> Response:
        """The member."""
        return Response(MemberSerializer(members.find(caller(request).tenant_id, member_id)).data)

    @extend_schema(operation_id="changeMember", request=MemberChange, responses=MemberSerializer)
    def patch(self, request: Request, member_id: UUID) -> Response:
        """Gives the member another role, at once."""
        given = MemberChange.read(request.data)
        with transaction.atomic():
            changed = members.change(caller(request).tenant_id, member_id, Role(given["role"]))
        return Response(MemberSerializer(changed).data)

    @extend_schema(operation_id="removeMember", responses={204: None})
    def delete(self, request: Request, member_id: UUID) -> Response:
        """Takes the member out of the tenant, at once."""
        with transaction.atomic():
            members.remove(caller(request).tenant_id, member_id)
        return Response(status=204)
