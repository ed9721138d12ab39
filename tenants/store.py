"""Holds tenants' rows. Whoever counts or changes what a tenant has few of comes through here first."""

from __future__ import annotations

from uuid import UUID

from tenants.models import Tenant


def lock(tenant_id: UUID) -> None:
    """The tenant's row, held until the transaction ends.

    The weaker lock (NO KEY) lets rows that only refer to the tenant be inserted meanwhile.
    """
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
