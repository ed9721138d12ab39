"""Makes what a new installation needs: a tenant, its owner's API key, an operator for the admin."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model
from django.db import transaction

from tenants import keys
from tenants.models import APIKey, Tenant
from tenants.roles import Role

SHORT = 20
"""Characters below which a given key is called weak: ours have 32."""


class KeyElsewhere(Exception):
    """The given key is in use by another tenant, or revoked."""


def tenant_with_owner(name: str, key: str | None) -> tuple[Tenant, str]:
    """The tenant of this name, made if there is none, and an owner's key: the given one, or a new one.

    Doing it again with the same key changes nothing. Raises `KeyElsewhere`, and `Refusal` for an unfit key.
    """
    with transaction.atomic():
        tenant, _ = Tenant.objects.get_or_create(name=name)
        if key is not None and (known := APIKey.objects.filter(digest=keys.digest(key)).first()):
            if known.tenant_id != tenant.id or known.revoked_at is not None or known.role != Role.OWNER:
                raise KeyElsewhere(f"This key is not an owner's key of {name!r}. Give another one.")
            return tenant, key
        _, made = keys.create(tenant, "owner", Role.OWNER, key)
    return tenant, made


def operator() -> tuple[str, str] | None:
    """Name and password of a first operator for the admin, None if there is one already."""
    users = get_user_model()._default_manager  # noqa: SLF001 - Django's name for it
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(18)
    get_user_model().objects.create_superuser("admin", password=password)
    return "admin", password
