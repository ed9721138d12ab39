"""Makes what a new installation needs: a tenant, its owner's API key, an operator for the admin."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from tenants import audit, keys
from tenants.errors import Refusal
from tenants.models import APIKey, Tenant
from tenants.roles import Role

SHORT = 20
"""Characters below which a given key is called weak: ours have 32."""


class KeyElsewhere(Exception):
    """The given key is in use by another tenant, or revoked."""


def tenant_with_owner(name: str, key: str | None) -> tuple[Tenant, str]:
    """The tenant of this name, made if there is none, and an owner's key: the given one, or a new one.

    Doing it again with the same key changes nothing. Raises `KeyElsewhere`, and `Refusal` for an unfit key or
    where settings are for one tenant only.
    """
    with transaction.atomic():
        tenant = Tenant.objects.filter(name=name).first()
        if tenant is None:
            check_several(Tenant(name=name))
            tenant = Tenant.objects.create(name=name)
            audit.record("tenant.made", "tenant", tenant.id, tenant.id, {"name": name})
        if key is not None and (known := APIKey.objects.filter(digest=keys.digest(key)).first()):
            if known.tenant_id != tenant.id or known.revoked_at is not None or known.role != Role.OWNER:
                raise KeyElsewhere(f"This key is not an owner's key of {name!r}. Give another one.")
            return tenant, key
        _, made = keys.create(tenant, "owner", Role.OWNER, key)
    return tenant, made


def new_tenant(name: str, *, sandbox: bool) -> tuple[Tenant, str]:
    """A further tenant and its first owner's key, inside a transaction. Raises `Refusal`."""
    check_several(Tenant(name=name, sandbox=sandbox))
    try:
        with transaction.atomic():
            tenant = Tenant.objects.create(name=name, sandbox=sandbox)
            audit.record("tenant.made", "tenant", tenant.id, tenant.id, {"name": name, "sandbox": sandbox})
    except IntegrityError:
        raise Refusal("NAME_TAKEN", f"There is a tenant {name!r} already: take another name.") from None
    _, key = keys.create(tenant, "owner", Role.OWNER)
    return tenant, key


def check_several(tenant: Tenant) -> None:
    """Whether there may be this tenant beside the others. Raises `Refusal` CONFLICT."""
    others = Tenant.objects.exclude(id=tenant.id)
    if not others.exists():
        return
    sandbox = tenant.sandbox or others.filter(sandbox=True).exists()
    if reason := for_one_tenant(sandbox):
        raise Refusal("CONFLICT", reason)


def for_one_tenant(sandbox: bool) -> str | None:
    """Which setting does not go with several tenants, and what to do; None if all do.

    `sandbox`: one of the tenants is a sandbox, for which a weaker KEYSEED_CLAIM_PROOF may be meant.
    """
    if settings.KEYSEED_UNPROVEN_SECRETS == "allow":
        return (
            "KEYSEED_UNPROVEN_SECRETS=allow is for one tenant: whoever claimed another's device without proof could "
            "put secrets on it. Set it to refuse before you make a second tenant."
        )
    if settings.KEYSEED_CLAIM_PROOF != "known" and not sandbox:
        return (
            f"KEYSEED_CLAIM_PROOF={settings.KEYSEED_CLAIM_PROOF} is for one tenant, or for tenants marked sandbox: "
            "anybody could claim another's device. Set it to known, or mark a tenant as sandbox, before you make a "
            "second one."
        )
    return None


def operator() -> tuple[str, str] | None:
    """Name and password of a first operator for the admin, None if there is one already."""
    users = get_user_model()._default_manager  # noqa: SLF001 - Django's name for it
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(18)
    get_user_model().objects.create_superuser("admin", password=password)
    return "admin", password
