"""What became of bulk requests. They are done at once; who asks later by the id is told the same. Kept 30 days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.utils import timezone

from devices.models import BulkRequest
from tenants.errors import Refusal

KEPT = timedelta(days=30)


class Endpoint(StrEnum):
    """Which request it was, in nRF Cloud's words. Source: docs/nrf-cloud.md."""

    CLAIM_DEVICES = "CLAIM_DEVICES"
    PROVISION_DEVICES = "PROVISION_DEVICES"


class Status(StrEnum):
    """How it ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


def keep(
    tenant_id: UUID, endpoint: Endpoint, status: Status, result: Mapping[str, object], requested_at: datetime
) -> BulkRequest:
    """Writes down what became of a request that began at `requested_at` and ends now."""
    return BulkRequest.objects.create(
        tenant_id=tenant_id,
        endpoint=endpoint.value,
        status=status.value,
        result=result,
        requested_at=requested_at,
        completed_at=timezone.now(),
    )


def read(tenant_id: UUID, id: UUID) -> BulkRequest | None:
    """One of this tenant's, None also for another's."""
    return BulkRequest.objects.filter(tenant_id=tenant_id, id=id).first()


def find(tenant_id: UUID, id: UUID) -> BulkRequest:
    """The same. Raises `Refusal` NOT_FOUND."""
    found = read(tenant_id, id)
    if found is None:
        raise Refusal("NOT_FOUND", f"There is no such bulk request. They are kept for {KEPT.days} days.")
    return found
