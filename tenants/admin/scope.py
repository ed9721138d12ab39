"""Who sees what in the admin: an operator what Django's permissions say, a member what is in his tenants.

A member is whoever has a membership and is no superuser. What he may do follows his role in the tenant that an object
belongs to; Django's permissions say nothing of him. What has no row in `NEEDED`, and a page without `tenant_path`, is
for operators only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from tenants.models import Member, Tenant
from tenants.roles import Role, includes

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _Pages
else:
    _Pages = object

M = TypeVar("M", bound=Model)

NEEDED: Mapping[str, Role] = {
    "devices.view_device": Role.VIEWER,
    "devices.add_device": Role.EDITOR,
    "devices.change_device": Role.EDITOR,
    "devices.delete_device": Role.EDITOR,
    "devices.view_timelineentry": Role.VIEWER,
    "devices.view_credential": Role.VIEWER,
    "devices.add_credential": Role.EDITOR,
    "devices.delete_credential": Role.EDITOR,
    "commands.view_command": Role.VIEWER,
    "commands.change_command": Role.EDITOR,
    "commands.delete_command": Role.EDITOR,
    "commands.view_rule": Role.VIEWER,
    "commands.change_rule": Role.ADMIN,
    "commands.delete_rule": Role.ADMIN,
    "tenants.view_apikey": Role.ADMIN,
    "tenants.add_apikey": Role.ADMIN,
    "tenants.change_apikey": Role.ADMIN,
    "tenants.view_auditentry": Role.ADMIN,
    "tenants.view_webhook": Role.VIEWER,
    "tenants.add_webhook": Role.ADMIN,
    "tenants.change_webhook": Role.ADMIN,
    "tenants.delete_webhook": Role.ADMIN,
    "tenants.view_webhookdelivery": Role.VIEWER,
    "tenants.view_member": Role.ADMIN,
    "tenants.add_member": Role.OWNER,
    "tenants.change_member": Role.OWNER,
    "tenants.delete_member": Role.OWNER,
    "tenants.view_tenant": Role.VIEWER,
    "tenants.change_tenant": Role.OWNER,
}
"""The least role in an object's tenant with which a member has one of Django's permissions for it."""


def roles(request: HttpRequest) -> Mapping[UUID, Role] | None:
    """The member's role in each of his tenants, read once a request; None for an operator."""
    if "keyseed_roles" not in request.__dict__:
        request.__dict__["keyseed_roles"] = _roles(request)
    found: Mapping[UUID, Role] | None = request.__dict__["keyseed_roles"]
    return found


def _roles(request: HttpRequest) -> Mapping[UUID, Role] | None:
    user = request.user
    if not user.is_authenticated or user.is_superuser:
        return None
    held = Member.objects.filter(user_id=user.pk).values_list("tenant_id", "role")
    return {tenant_id: Role(role) for tenant_id, role in held} or None


def may(request: HttpRequest, permission: str, tenant_id: UUID | None = None) -> bool:
    """Whether they have this permission, such as `devices.view_device`, in this tenant, or in any."""
    if roles(request) is None:
        return request.user.has_perm(permission)
    found = tenants(request, permission) or ()
    return bool(found) if tenant_id is None else tenant_id in found


def tenants(request: HttpRequest, permission: str) -> Collection[UUID] | None:
    """The tenants in which a member has this permission; None for an operator."""
    held = roles(request)
    if held is None:
        return None
    needed = NEEDED.get(permission)
    return [id for id, role in held.items() if needed is not None and includes(role, needed)]


def role(request: HttpRequest, tenant_id: UUID) -> Role:
    """The role in which they act in a tenant that they see; an operator's is that of an owner."""
    held = roles(request)
    return Role.OWNER if held is None else held[tenant_id]


def limit(request: HttpRequest, rows: QuerySet[M], path: str | None, permission: str) -> QuerySet[M]:
    """The rows that they may have with this permission; `path` leads from a row to its tenant's id."""
    found = tenants(request, permission)
    if found is None:
        return rows
    return rows.none() if path is None else rows.filter(**{f"{path}__in": found})


class OwnSelectFilter(AutocompleteSelectFilter):  # type: ignore[misc]
    """Names what was chosen only where it is theirs: the address could ask for any id."""

    def choices(self, changelist: Any) -> Any:
        """As its parent's, over fewer rows."""
        for choice in super().choices(changelist):
            field = choice["form"].fields[self.lookup_kwarg]
            field.queryset = visible(self.model_admin.admin_site, field.queryset.all(), self.request)
            yield choice


def visible(site: admin.AdminSite, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """The rows that they see on the pages of the rows' model."""
    if roles(request) is None:
        return rows
    page = site._registry.get(rows.model)  # noqa: SLF001 - Django's word
    return rows.none() if page is None else page.get_queryset(request)


class Scoped(_Pages):  # type: ignore[type-arg]
    """Every page of the admin is one of these. `tenant_path` leads from an object to its tenant's id.

    Without it the page is for operators only. It stands first among the parents.
    """

    tenant_path: ClassVar[str | None] = None

    def permission(self, action: str) -> str:
        """Django's name of view, add, change or delete."""
        return f"{self.opts.app_label}.{action}_{self.opts.model_name}"

    def tenant_of(self, obj: Any) -> UUID | None:
        """The tenant that the object belongs to, None where it says none."""
        path = self.tenant_path.split("__") if self.tenant_path else ()
        return reduce(lambda found, name: getattr(found, name, None), path, obj) if path else None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Everything that the pages show, act on and complete comes from here."""
        return limit(request, super().get_queryset(request), self.tenant_path, self.permission("view"))

    def _may(self, request: HttpRequest, action: str, obj: Any) -> bool:
        """What a member may: without an object, whether in any tenant."""
        if self.tenant_path is None:
            return False
        tenant_id = None if obj is None else self.tenant_of(obj)
        if obj is not None and tenant_id is None:
            return False
        return may(request, self.permission(action), tenant_id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An operator's permissions, or a member's role."""
        if roles(request) is None:
            return super().has_view_permission(request, obj)
        return self._may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """An operator's permissions, or a member's role."""
        if roles(request) is None:
            return super().has_add_permission(request)
        return self._may(request, "add", None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An operator's permissions, or a member's role."""
        if roles(request) is None:
            return super().has_change_permission(request, obj)
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An operator's permissions, or a member's role."""
        if roles(request) is None:
            return super().has_delete_permission(request, obj)
        return self._may(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the first page names it."""
        if roles(request) is None:
            return super().has_module_permission(request)
        return self._may(request, "view", None)

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """What a field may be set to; a tenant, only where such a thing may be added."""
        rows = super().get_field_queryset(db, db_field, request)
        if roles(request) is None:
            return rows
        if db_field.remote_field.model is Tenant:
            return limit(request, Tenant.objects.order_by("name"), "id", self.permission("add"))
        return visible(self.admin_site, db_field.remote_field.model._default_manager.all(), request)  # noqa: SLF001

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Who is in one tenant need not choose it."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        held = roles(request)
        return {"tenant": next(iter(held)), **given} if held is not None and len(held) == 1 else given

    def get_list_filter(self, request: HttpRequest) -> Any:
        """A filter by another object offers and names only theirs."""
        return [_own(listed) for listed in super().get_list_filter(request)]


def _own(listed: Any) -> Any:
    if isinstance(listed, tuple) and listed[1] is AutocompleteSelectFilter:
        return (listed[0], OwnSelectFilter)
    return listed
