"""Who calls: an API key of one tenant, with a role, or the platform key. Views say as data what each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants import keys, throttling
from tenants.models import APIKey
from tenants.roles import Platform, Role, includes

if TYPE_CHECKING:  # the framework's views import this module
    from rest_framework.views import APIView

USED_EVERY = timedelta(minutes=1)
"""`last_used_at` is written at most that often: a busy key's row must not become a queue."""

PLATFORM_LEAST = 32
"""Characters below which the platform key opens nothing."""

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


@dataclass(frozen=True, slots=True)
class PlatformCaller:
    """Whoever has KEYSEED_PLATFORM_KEY: he is in no tenant."""

    role: Platform = Platform.PLATFORM
    tenant_id: None = None

    @property
    def by(self) -> str:
        """The caller's name."""
        return "platform key"


def caller(request: Request) -> Caller:
    """Whose request this is, behind `RoleAllows`."""
    assert isinstance(request.auth, Caller)
    return request.auth


def home(request: Request) -> UUID | None:
    """The tenant whose request this is, None for the platform key's; behind `RoleAllows`."""
    assert isinstance(request.auth, Caller | PlatformCaller)
    return request.auth.tenant_id


class APIKeyAuthentication(BaseAuthentication):
    """Finds the key by its digest. Raises AuthenticationFailed that says what to do."""

    def authenticate(self, request: Request) -> tuple[None, Caller | PlatformCaller]:
        try:
            text = _text(request.META.get("HTTP_AUTHORIZATION", ""))
            if _is_platform(text):
                return None, PlatformCaller()
            key = _found(text)
        except AuthenticationFailed:
            throttling.refuse_stranger(request)
            raise
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


def _is_platform(text: str) -> bool:
    known = settings.KEYSEED_PLATFORM_KEY
    # Of digests, so that not even the length is told by the time that it takes.
    return len(known) >= PLATFORM_LEAST and constant_time_compare(keys.digest(text), keys.digest(known))


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


def needed(view: APIView, method: str | None) -> Role | Platform | None:
    """The role that this method of the view asks for, None where nothing is declared."""
    roles: Mapping[str, Role | Platform] = getattr(view, "roles", {})
    return roles.get("GET" if method == "HEAD" else str(method))


class RoleAllows(BasePermission):
    """Lets a method through whose declared role the caller's includes; what declares none is shut."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        role = needed(view, request.method)
        if role is None:
            # No such method here: let it go on to its 405.
            return request.method not in view.allowed_methods
        assert isinstance(request.auth, Caller | PlatformCaller)
        held = request.auth.role
        if not includes(held, role):
            raise PermissionDenied(_refused(held, role))
        return True


def _refused(held: Role | Platform, role: Role | Platform) -> str:
    if role is Platform.PLATFORM:
        return f"This needs the platform key, KEYSEED_PLATFORM_KEY; the role {role} is of no API key, yours is {held}."
    if held is Platform.PLATFORM:
        return (
            f"This needs an API key of a tenant with the role {role} or higher; yours is the {held} key, which makes "
            "and lists tenants and sees nothing in them."
        )
    return f"This needs an API key with the role {role.value} or higher; yours is {held.value}."
