"""Tags that a tenant describes, so that people know what they stand for. Devices may carry others, too."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from commands.models import ProvisioningTag
from devices.models import Tag
from tenants import audit, store
from tenants.errors import Refusal

TAGS_MOST = 1_000
"""Described tags a tenant."""


def of_tenant(tenant_id: UUID) -> QuerySet[ProvisioningTag]:
    """The described tags; `devices` is how many carry each."""
    carried = Tag.objects.filter(tenant_id=tenant_id, tag=OuterRef("tag")).order_by().values("tag")
    counted = Subquery(carried.annotate(count=Count("pk")).values("count"))
    return ProvisioningTag.objects.filter(tenant_id=tenant_id).annotate(devices=Coalesce(counted, 0))


def describe(tenant_id: UUID, tag: str, description: str | None) -> bool:
    """Writes the description, None leaving one that is there; whether the tag is new. Raises `Refusal` TOO_MANY."""
    with transaction.atomic():
        store.lock(tenant_id)
        known = ProvisioningTag.objects.filter(tenant_id=tenant_id)
        if found := known.filter(tag=tag).first():
            if description is not None:
                known.filter(id=found.id).update(description=description)
                audit.record("tag.described", "tag", found.id, tenant_id, {"tag": tag})
            return False
        if known.count() >= TAGS_MOST:
            raise Refusal("TOO_MANY", f"You have described {TAGS_MOST} tags, which is the most.")
        made = ProvisioningTag.objects.create(
            tenant_id=tenant_id, tag=tag, description=description or "", created_at=timezone.now()
        )
        audit.record("tag.made", "tag", made.id, tenant_id, {"tag": tag})
        return True
