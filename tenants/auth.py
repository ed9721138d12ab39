"""Who calls: an API key of one tenant, with a role. Every view says as data which role each method needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants import keys
from tenants.models import APIKey
from tenants.roles import Role, includes

if TYPE_CHECKING:  # the framework's views import this module
    from rest_framework.views import APIView

USED_EVERY = timedelta(minutes=1)
"""`last_used_at` is written at most that often: a busy key's row must not become a queue."""

_HOW = "Send `Authorization: Bearer <API key>`."
_NEW = "An admin of your tenant makes keys with POST /v1/api-keys."


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request this is. `by` is what timelines say of them."""

    key_id: UUID
    tenant_id: UUID
    name: str
    role: Role

    @property
    def by(self) -> str:
        """The caller's name for a timeline."""
        return f"API key {self.name}"


def caller(request: Request) -> Caller:
    """Whose request this is, behind `RoleAllows`."""
    assert isinstance(request.auth, Caller)
    return request.auth


class APIKeyAuthentication(BaseAuthentication):
    """Finds the key by its digest. Raises AuthenticationFailed that says what to do."""

    def authenticate(self, request: Request) -> tuple[None, Caller]:
        key = _found(_text(request.META.get("HTTP_AUTHORIZATION", "")))
        _note_use(key, timezone.now())
        return None, Caller(key.id, key.tenant_id, key.name, Role(key.role))

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _text(header: str) -> str:
    scheme, _, text = header.strip().partition(" ")
    if not header.strip():
        raise AuthenticationFailed(f"This address needs an API key. {_HOW} {_NEW}")
    if scheme.lower() != "bearer" or not text.strip():
        raise AuthenticationFailed(f"The Authorization header is not understood. {_HOW}")
    return text.strip()


def _found(text: str) -> APIKey:
    key = APIKey.objects.filter(digest=keys.digest(text)).first()
    if key is None:
        raise AuthenticationFailed(f"This API key is not known: check that it was copied whole. {_NEW}")
    if key.revoked_at is not None:
        raise AuthenticationFailed(f"This API key was revoked. {_NEW}")
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise AuthenticationFailed(f"This API key has expired. {_NEW}")
    return key


def _note_use(key: APIKey, now: datetime) -> None:
    if key.last_used_at is None or key.last_used_at <= now - USED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_EVERY)
        APIKey.objects.filter(stale, id=key.id).update(last_used_at=now)


def needed(view: APIView, method: str | None) -> Role | None:
    """The role that this method of the view asks for, None where nothing is declared."""
    roles: Mapping[str, Role] = getattr(view, "roles", {})
    return roles.get("GET" if method == "HEAD" else str(method))


class RoleAllows(BasePermission):
    """Lets a method through whose declared role the caller's includes; what declares none is shut."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        role = needed(view, request.method)
        if role is None:
            # No such method here: let it go on to its 405.
            return request.method not in view.allowed_methods
        held = caller(request).role
        if not includes(held, role):
            raise PermissionDenied(
                f"This needs an API key with the role {role.value} or higher; yours is {held.value}."
            )
        return True
