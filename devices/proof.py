"""What a claim by attestation token has to prove in this installation. Source: docs/nrf-cloud.md."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings

from tenants.models import Tenant


class Proof(StrEnum):
    """KNOWN: its signature verifies with an imported key. FIRST_USE: nothing, the key is learnt later. OFF: nothing."""

    KNOWN = "known"
    FIRST_USE = "first-use"
    OFF = "off"


def wanted(tenant: Tenant) -> Proof:
    """What this tenant's claims must prove: less than KNOWN only where nobody else could be harmed."""
    configured = Proof(settings.KEYSEED_CLAIM_PROOF)
    if configured is Proof.KNOWN or tenant.sandbox:
        return configured
    return Proof.KNOWN if Tenant.objects.exclude(id=tenant.id).exists() else configured


def secrets_allowed() -> bool:
    """Whether devices that nothing proves carry secrets; a system check keeps this to one tenant."""
    return bool(settings.KEYSEED_UNPROVEN_SECRETS == "allow")
