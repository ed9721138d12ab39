"""A tenant's webhooks, for REST and the admin alike. Nothing is sent from here.

Whoever makes, pauses or deletes one holds the tenant's row first: `has_webhooks` says whether any listens.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from devices import events, hook_addresses
from devices.event_kinds import Event, Kind
from devices.field_keys import sealer
from pki.sealing import CannotOpen
from tenants import audit, store
from tenants.errors import Refusal
from tenants.models import Tenant, Webhook, WebhookDelivery

MOST = 10
"""Webhooks a tenant."""

OVERLAP = timedelta(hours=24)
"""For how long after a rotation the old secret signs beside the new one."""


def of_tenant(tenant_id: UUID) -> QuerySet[Webhook]:
    """The tenant's webhooks, with how many deliveries wait."""
    return Webhook.objects.filter(tenant_id=tenant_id).annotate(waiting=Count("deliveries"))


def find(tenant_id: UUID, webhook_id: UUID) -> Webhook:
    """One of them. Raises `Refusal` NOT_FOUND, also for another tenant's."""
    found = of_tenant(tenant_id).filter(id=webhook_id).first()
    if found is None:
        raise not_found()
    return found


def not_found() -> Refusal:
    """What is said of every webhook that the asker's tenant has not."""
    return Refusal("NOT_FOUND", "There is no such webhook. List yours with GET /v1/webhooks.")


def state(webhook: Webhook) -> str:
    """How it does, in a word: active, failing or paused."""
    if webhook.paused_at is not None:
        return "paused"
    return "active" if webhook.failing_since is None else "failing"


def check_url(url: str) -> None:
    """Raises `Refusal` INVALID where a webhook may not lead there."""
    hook_addresses.check_url(url, hook_addresses.networks(settings.KEYSEED_WEBHOOK_ALLOW))


def make(tenant_id: UUID, url: str, kinds: Sequence[str], description: str) -> tuple[Webhook, str]:
    """A webhook and its secret, to be shown once. Raises `Refusal` INVALID or TOO_MANY."""
    check_url(url)
    text = _new_secret()
    with transaction.atomic():
        store.lock(tenant_id)
        if Webhook.objects.filter(tenant_id=tenant_id).count() >= MOST:
            raise Refusal("TOO_MANY", f"A tenant has at most {MOST} webhooks: delete one that is not needed.")
        made = Webhook.objects.create(
            tenant_id=tenant_id,
            url=url,
            events=list(dict.fromkeys(kinds)),
            description=description,
            secret=sealer().seal({"secret": text}),
            created_at=timezone.now(),
        )
        _note(tenant_id)
        _record("made", made, {"events": made.events})
    return made, text


def change(tenant_id: UUID, webhook_id: UUID, fields: Mapping[str, object]) -> None:
    """Writes `url`, `events` or `description`; what waits goes to the new address. Raises `Refusal`."""
    if "url" in fields:
        check_url(str(fields["url"]))
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        if fields:
            Webhook.objects.filter(id=webhook_id).update(**fields)
            _record("changed", held, {"fields": list(fields)})


def delete(tenant_id: UUID, webhook_id: UUID) -> None:
    """The webhook and all that waits for it are gone. Raises `Refusal`."""
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        # Who writes deliveries at this moment is waited for, and who comes later does not find the webhook.
        Webhook.objects.select_for_update().get(id=webhook_id)
        WebhookDelivery.objects.filter(webhook_id=webhook_id).delete()
        Webhook.objects.filter(id=webhook_id).delete()
        _note(tenant_id)
        _record("deleted", held)


def rotate(tenant_id: UUID, webhook_id: UUID) -> str:
    """A new secret, to be shown once; the old one signs beside it for `OVERLAP`. Raises `Refusal`."""
    text, now = _new_secret(), timezone.now()
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        sealed = sealer().seal({"secret": text, **_old(held, now + OVERLAP)})
        Webhook.objects.filter(id=webhook_id).update(secret=sealed)
        _record("secret-rotated", held)
    return text


def _old(held: Webhook, until: datetime) -> Mapping[str, str]:
    """The secret that goes; nothing where its field key is lost, which a rotation is the way out of."""
    try:
        return {"old": sealer().open(held.secret)["secret"], "until": until.isoformat()}
    except CannotOpen:
        return {}


def pause(tenant_id: UUID, webhook_id: UUID, reason: str) -> None:
    """The webhook hears of nothing new, and what waits for it stays. Raises `Refusal`."""
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        found = Webhook.objects.filter(id=webhook_id, paused_at__isnull=True)
        if found.update(paused_at=timezone.now(), pause_reason=reason[:300]):
            _note(tenant_id)
            _record("paused", held)


def resume(tenant_id: UUID, webhook_id: UUID) -> None:
    """The webhook listens again, and what waits is tried at once, also where it only failed. Raises `Refusal`."""
    now = timezone.now()
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        Webhook.objects.filter(id=webhook_id).update(paused_at=None, pause_reason="", failing_since=None)
        WebhookDelivery.objects.filter(webhook_id=webhook_id, due_at__gt=now).update(due_at=now)
        _note(tenant_id)
        _record("resumed", held)
        events.nudge()


def test(tenant_id: UUID, webhook_id: UUID) -> UUID:
    """Sends a `webhook.test` on the way that all events go; its id. Raises `Refusal`."""
    with transaction.atomic():
        held = _hold_one(tenant_id, webhook_id)
        if held.paused_at is not None:
            raise Refusal("CONFLICT", "The webhook is paused: resume it, then test it.")
        _record("tested", held)
        return events.put(webhook_id, Event(tenant_id, None, Kind.TEST), timezone.now())


def secrets_at(webhook: Webhook, at: datetime) -> list[str]:
    """The secrets that sign at this time, the newest first. Raises `pki.sealing.CannotOpen`."""
    held = sealer().open(webhook.secret)
    signing = [held["secret"]]
    if "old" in held and at.astimezone(UTC) < datetime.fromisoformat(held["until"]):
        signing.append(held["old"])
    return signing


def _new_secret() -> str:
    return "whsec_" + b32encode(secrets.token_bytes(20)).decode().lower()


def _hold_one(tenant_id: UUID, webhook_id: UUID) -> Webhook:
    store.lock(tenant_id)
    found = Webhook.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id, id=webhook_id).first()
    if found is None:
        raise not_found()
    return found


def _record(what: str, webhook: Webhook, data: Mapping[str, object] | None = None) -> None:
    """For the audit log. Of the URL only the host: its path may be what opens the receiver."""
    host = hook_addresses.host(webhook.url)
    audit.record(f"webhook.{what}", "webhook", webhook.id, webhook.tenant_id, {"host": host, **(data or {})})


def _note(tenant_id: UUID) -> None:
    listens = Webhook.objects.filter(tenant_id=tenant_id, paused_at__isnull=True).exists()
    Tenant.objects.filter(id=tenant_id).exclude(has_webhooks=listens).update(has_webhooks=listens)
