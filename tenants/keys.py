"""API keys are made, given and revoked here; a key is readable when it is made and never again."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tenants import audit, store
from tenants.errors import Refusal, invalid
from tenants.models import APIKey, Tenant
from tenants.roles import Role, includes

PREFIX = "ks_"
"""Lets people and secret scanners know a key when they see one."""

_VISIBLE = re.compile(r"[!-~]{1,200}")


def new() -> str:
    """A new key: 160 random bits."""
    return PREFIX + base64.b32encode(secrets.token_bytes(20)).decode().lower()


def digest(key: str) -> str:
    """The key as it is stored and looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def create(
    tenant: Tenant, name: str, role: Role, key: str | None = None, expires_at: datetime | None = None
) -> tuple[APIKey, str]:
    """A key for this tenant, and its text: `key`, or a new one. Raises `Refusal` INVALID or CONFLICT."""
    if key is not None and not _VISIBLE.fullmatch(key):
        raise invalid("key", "Must be 1 to 200 visible ASCII characters without spaces.")
    text = key or new()
    try:
        with transaction.atomic():
            made = APIKey.objects.create(
                tenant=tenant, name=name, role=role.value, digest=digest(text), expires_at=expires_at
            )
            data = {"name": name, "role": role.value, "expiresAt": expires_at}
            audit.record("api-key.made", "api-key", made.id, tenant.id, data)
    except IntegrityError:
        raise Refusal("CONFLICT", "This key is in use already: take another one.") from None
    return made, text


def make(
    tenant_id: UUID, maker: Role, name: str, role: Role, expires_at: datetime | None
) -> tuple[APIKey, str]:
    """A key that a holder of the role `maker` asks for. Raises `Refusal`."""
    _check_reach(maker, role, "makes")
    if expires_at is not None and expires_at <= timezone.now():
        raise invalid("expiresAt", "Must be in the future, or left out for a key that does not expire.")
    return create(Tenant.objects.get(id=tenant_id), name, role, expires_at=expires_at)


def revoke(tenant_id: UUID, revoker: Role, key_id: UUID) -> None:
    """The key opens nothing from now on; doing it twice does no harm. Raises `Refusal`."""
    # Who takes owner keys away holds the tenant: of two at once, one must see that the other was before.
    store.lock(tenant_id)
    found = APIKey.objects.filter(tenant_id=tenant_id, id=key_id).first()
    if found is None:
        raise not_found()
    role = Role(found.role)
    _check_reach(revoker, role, "revokes")
    others = usable(timezone.now()).filter(tenant_id=tenant_id, role=Role.OWNER.value).exclude(id=key_id)
    if role is Role.OWNER and found.revoked_at is None and not others.exists():
        raise Refusal("CONFLICT", "This is the tenant's last owner key: make another one first.")
    if APIKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=timezone.now()):
        audit.record(
            "api-key.revoked", "api-key", key_id, tenant_id, {"name": found.name, "role": role.value}
        )


def usable(now: datetime) -> QuerySet[APIKey]:
    """The keys that open something now."""
    return APIKey.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True)


def not_found() -> Refusal:
    """What is said of every key that the asker's tenant has not."""
    return Refusal("NOT_FOUND", "There is no such API key. List yours with GET /v1/api-keys.")


def _check_reach(holder: Role, role: Role, does: str) -> None:
    if not includes(holder, role):
        raise Refusal(
            "FORBIDDEN",
            f"Only a key with the role {role.value} {does} a key with the role {role.value}; "
            f"yours has the role {holder.value}.",
        )
