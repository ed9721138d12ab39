"""Who acts: the key, person or device in whose name the code at hand runs, for the audit log.

The middleware forgets whoever it was after each request, because threads are used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tenants import addresses

if TYPE_CHECKING:  # settings name this module before there are models
    from django.contrib.auth.models import User


class Kind(StrEnum):
    """What sort of actor: an API key, a tenant's member, an operator of the installation, a device, Keyseed."""

    KEY = "key"
    MEMBER = "member"
    OPERATOR = "operator"
    DEVICE = "device"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who it is, of which tenant if of one, and the IP address that the request came from."""

    kind: Kind
    id: str = ""
    name: str = ""
    tenant_id: UUID | None = None
    address: str = ""


SYSTEM = Actor(Kind.SYSTEM, name="Keyseed")

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def current() -> Actor:
    """Who acts now; Keyseed itself where nobody else does."""
    return _actor.get()


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Everything inside is done by this actor."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def become(kind: Kind, id: str, name: str, tenant_id: UUID | None) -> None:
    """The rest of this request is done by this actor, from the request's address."""
    _actor.set(replace(current(), kind=kind, id=id, name=name, tenant_id=tenant_id))


def of_device(device_id: UUID, tenant_id: UUID) -> Actor:
    """The device, at the address that it speaks from."""
    return Actor(Kind.DEVICE, str(device_id), str(device_id), tenant_id, current().address)


def of_user(user: User) -> Actor:
    """Who signed in to the admin: a member of tenants, or an operator, who is of none."""
    from tenants.models import Member  # settings name this module before there are models

    held = Member.objects.filter(user_id=user.pk).values_list("tenant_id", flat=True)
    tenants = [] if user.is_superuser else list(held[:2])
    kind = Kind.MEMBER if tenants else Kind.OPERATOR
    only = tenants[0] if len(tenants) == 1 else None
    return Actor(kind, str(user.pk), user.get_username(), only, current().address)


class Middleware:
    """Knows where each request comes from, and who of the admin's people sent it; stands behind Django's sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(replace(SYSTEM, address=addresses.of(request))):
            # Without its cookie nobody is signed in, and looking would make every answer depend on cookies.
            if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
                _actor.set(of_user(request.user))
            return self._get_response(request)
