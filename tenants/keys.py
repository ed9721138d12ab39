"""API keys: made, hashed, found again. A key is shown once; the database knows its SHA-256 only."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime

from tenants.errors import invalid
from tenants.models import APIKey, Tenant

_VISIBLE = re.compile("[!-~]{1,200}")


def new() -> str:
    """A new key: 160 random bits."""
    return "ks_" + base64.b32encode(secrets.token_bytes(20)).decode().lower()


def digest(key: str) -> str:
    """The key as it is stored and looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def create(
    tenant: Tenant, name: str, role: str, key: str | None = None, expires_at: datetime | None = None
) -> tuple[APIKey, str]:
    """A key of this tenant, and its text, which is known now and never again. Raises `Refusal` for an unfit `key`."""
    text = new() if key is None else key
    if not _VISIBLE.fullmatch(text):
        raise invalid("key", "Must be 1 to 200 visible ASCII characters without spaces.")
    made = APIKey.objects.create(tenant=tenant, name=name, role=role, digest=digest(text), expires_at=expires_at)
    return made, text
