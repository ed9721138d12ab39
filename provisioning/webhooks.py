"""Carries events to webhooks: at least once, one webhook's in order, later again if they were not taken.

A webhook is due when its oldest delivery is. Its next deliveries are claimed (their `due_at` moves away), posted by a
thread with no transaction open, and deleted one after the other as they are taken. Threads post, and only the task
itself knows the database.
"""

from __future__ import annotations

import json
import logging
import queue
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from devices import events, webhooks
from pki.sealing import CannotOpen
from provisioning import hook_client
from provisioning.hook_client import Client, NotTaken
from tenants.errors import Refusal
from tenants.models import Webhook, WebhookDelivery

log = logging.getLogger(__name__)

PARALLEL = 8
"""Webhooks that are posted to at once."""

PER_TENANT = 3
"""How many of these may be one tenant's: slow receivers of one must leave room for the others."""

CLAIM = 50
"""Deliveries of one webhook at once."""

RUN_SECONDS = 5.0
"""After that a run begins nothing new: with the last posts it takes twice as long at most."""

LOOK_SECONDS = 0.25
"""How often a run looks for other webhooks while some are still at work."""

LEASE = timedelta(seconds=60)
"""For how long a claimed delivery is nobody else's: longer than a run may take."""

RETRY_FIRST, RETRY_MOST = timedelta(seconds=10), timedelta(hours=1)
RETRY_DOUBLINGS = 12
GIVE_UP = timedelta(hours=24)
"""A webhook that has taken nothing for so long is paused."""

WAITING_MOST = 10_000
"""Deliveries that wait for one webhook; the oldest are dropped."""


def carry_out() -> None:
    """Carries out what is due now, as far as the time allows."""
    if not _due(timezone.now()).exists():
        return
    run = _Run(hook_client.configured())
    run.go()
    if run.late and _due(timezone.now()).exists():
        with transaction.atomic():
            events.nudge()


def trim() -> None:
    """Drops the oldest deliveries of webhooks for which too many wait."""
    newest = WebhookDelivery.objects.filter(webhook=OuterRef("id")).order_by("-id").values("id")
    too_many = Webhook.objects.annotate(last=Subquery(newest[WAITING_MOST : WAITING_MOST + 1]))
    for webhook_id, last in too_many.filter(last__isnull=False).values_list("id", "last"):
        dropped, _ = WebhookDelivery.objects.filter(webhook_id=webhook_id, id__lte=last).delete()
        log.warning("Webhook %s: %d deliveries were dropped, the oldest", webhook_id, dropped)


# ---- what is claimed


@dataclass(frozen=True, slots=True)
class _Turn:
    """A webhook with its next deliveries, oldest first."""

    webhook: Webhook
    deliveries: Sequence[WebhookDelivery]


def _due(now: datetime) -> QuerySet[Webhook]:
    oldest = WebhookDelivery.objects.filter(webhook=OuterRef("id")).order_by("id").values("due_at")[:1]
    active = Webhook.objects.filter(paused_at__isnull=True).annotate(due=Subquery(oldest))
    return active.filter(due__lte=now)


def _claim(most: int, working: Counter[UUID], now: datetime) -> list[_Turn]:
    """At most so many; `working` counts those of each tenant that are at work. Who does well comes before who fails."""
    full = [tenant_id for tenant_id, count in working.items() if count >= PER_TENANT]
    order = F("failing_since").asc(nulls_first=True), F("due").asc()
    turns, counted = list[_Turn](), Counter(working)
    with transaction.atomic():
        due = _due(now).exclude(tenant_id__in=full).order_by(*order)
        for webhook in due.select_for_update(skip_locked=True, no_key=True)[:most]:
            if counted[webhook.tenant_id] < PER_TENANT and (turn := _turn(webhook, now)) is not None:
                counted[webhook.tenant_id] += 1
                turns.append(turn)
    return turns


def _turn(webhook: Webhook, now: datetime) -> _Turn | None:
    rows = list(WebhookDelivery.objects.filter(webhook=webhook).order_by("id")[:CLAIM])
    if not rows or rows[0].due_at > now:
        return None  # another run claimed them between our reading and our holding the webhook
    WebhookDelivery.objects.filter(id__in=[row.id for row in rows]).update(due_at=now + LEASE)
    return _Turn(webhook, rows)


# ---- what the threads do


@dataclass(frozen=True, slots=True)
class _Tried:
    """One delivery was posted; `error` None: it was taken."""

    delivery: WebhookDelivery
    error: str | None


@dataclass(frozen=True, slots=True)
class _Left:
    """A turn is over; these were not posted."""

    deliveries: Sequence[WebhookDelivery]


def _post(client: Client, webhook: Webhook, delivery: WebhookDelivery) -> str | None:
    """Why it was not taken, None if it was."""
    try:
        now = timezone.now()
        body = json.dumps(delivery.body, separators=(",", ":")).encode()
        signed = hook_client.signature(webhooks.secrets_at(webhook, now), int(now.timestamp()), body)
        headers = {"Keyseed-Event-Id": str(delivery.event_id), "Keyseed-Signature": signed}
        client.post(webhook.url, body, headers)
    except (NotTaken, CannotOpen) as error:
        return str(error)
    except Exception as error:
        # Whatever it is, it must not cost other webhooks.
        log.exception("A delivery to webhook %s could not be posted", webhook.id)
        return f"Keyseed could not post it ({type(error).__name__}): see its log."
    return None


@dataclass(slots=True)
class _Run:
    """One run; `late`: its time was over before everything was done."""

    client: Client
    end: float = field(default_factory=lambda: time.monotonic() + RUN_SECONDS)
    late: bool = False
    news: queue.SimpleQueue[_Tried | _Left] = field(default_factory=queue.SimpleQueue)

    def go(self) -> None:
        """Claims, has posted, and writes down what came of it, until nothing is due or the time is over."""
        working: dict[Future[None], UUID] = {}
        look_at = 0.0
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="webhook") as pool:
            while True:
                working = {one: tenant_id for one, tenant_id in working.items() if not one.done()}
                now, room = time.monotonic(), PARALLEL - len(working)
                if now >= self.end:
                    self.late = True
                elif room and (now >= look_at or not working):
                    turns = _claim(room, Counter(working.values()), timezone.now())
                    working |= {pool.submit(self._take, turn): turn.webhook.tenant_id for turn in turns}
                    look_at = now + LOOK_SECONDS
                if not working and self.news.empty():
                    return
                _write(self._heard())

    def _take(self, turn: _Turn) -> None:
        """Posts one after the other until one is not taken."""
        left = list(turn.deliveries)
        while left and time.monotonic() < self.end:
            tried = left.pop(0)
            error = _post(self.client, turn.webhook, tried)
            self.news.put(_Tried(tried, error))
            if error is not None:
                break
        self.news.put(_Left(left))

    def _heard(self) -> list[_Tried | _Left]:
        """What threads have told, waited for a moment."""
        try:
            heard = [self.news.get(timeout=LOOK_SECONDS)]
        except queue.Empty:
            return []
        while not self.news.empty():
            heard.append(self.news.get())
        return heard


# ---- what is written down


def _write(heard: Sequence[_Tried | _Left]) -> None:
    tried = [one for one in heard if isinstance(one, _Tried)]
    if taken := [one.delivery for one in tried if one.error is None]:
        WebhookDelivery.objects.filter(id__in=[row.id for row in taken]).delete()
        well = {row.webhook_id for row in taken}
        Webhook.objects.filter(id__in=well, failing_since__isnull=False).update(failing_since=None)
    for one in tried:
        if one.error is not None:
            _failed(one.delivery, one.error, timezone.now())
    if left := [row.id for one in heard if isinstance(one, _Left) for row in one.deliveries]:
        WebhookDelivery.objects.filter(id__in=left).update(due_at=timezone.now())


def _failed(delivery: WebhookDelivery, error: str, now: datetime) -> None:
    wait = min(RETRY_FIRST * 2 ** min(delivery.tries, RETRY_DOUBLINGS), RETRY_MOST)
    later = {"due_at": now + wait, "tries": delivery.tries + 1, "error": error[:300]}
    WebhookDelivery.objects.filter(id=delivery.id).update(**later)
    this = Webhook.objects.filter(id=delivery.webhook_id)
    this.filter(failing_since__isnull=True).update(failing_since=now)
    for tenant_id in this.filter(failing_since__lte=now - GIVE_UP).values_list("tenant_id", flat=True):
        _pause(tenant_id, delivery, error)


def _pause(tenant_id: UUID, delivery: WebhookDelivery, error: str) -> None:
    reason = f"It has taken nothing for {GIVE_UP // timedelta(hours=1)} hours. At last: {error}"
    try:
        webhooks.pause(tenant_id, delivery.webhook_id, reason)
    except Refusal:
        return  # it was deleted meanwhile
    log.warning("Webhook %s is paused: it has taken nothing for a day", delivery.webhook_id)
