"""Celery's interface: parse the argument, call one service, map the error. No rules here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from celery import Task, current_app, shared_task
from celery.exceptions import Reject, SoftTimeLimitExceeded
from django.db import close_old_connections

from provisioning import batches, housekeeping, publisher
from provisioning import outbox as carrier
from provisioning import webhooks as events
from provisioning.messages import Inbound, Outbound
from tenants import audit

log = logging.getLogger(__name__)

Packed = tuple[str, bytes, float, bytes | None]
"""A message as msgpack carries it: topic, payload, seconds since 1970, correlation data."""


def pack(message: Inbound) -> Packed:
    """The message for `inbound`."""
    return message.topic, message.payload, message.received.timestamp(), message.correlation


def _unpack(packed: Packed) -> Inbound:
    topic, payload, received, correlation = packed
    return Inbound(topic, payload, datetime.fromtimestamp(received, UTC), correlation)


@shared_task(name="provisioning.inbound", bind=True)
def inbound(self: Task[Any, Any], packed: Sequence[Packed]) -> None:
    """One batch of messages from devices: stored, committed, then answered."""
    messages = [_unpack(one) for one in packed]
    came_back = (self.request.delivery_info or {}).get("redelivered")
    try:
        if came_back and batches.count_delivery(UUID(self.request.id)) >= batches.DELIVERIES_MOST:
            answers = _take_apart(packed, messages)
        else:
            answers = batches.handle(messages)
    except (batches.DatabaseAway, SoftTimeLimitExceeded) as error:
        log.warning("A batch of %d goes back to the queue: %s", len(packed), type(error).__name__)
        raise Reject(error, requeue=True) from error
    send(answers)


def _take_apart(packed: Sequence[Packed], messages: Sequence[Inbound]) -> list[Outbound]:
    """Two tasks instead of one; a single message that killed its worker twice is not tried again."""
    if len(packed) == 1:
        return batches.give_up(messages[0])
    middle = len(packed) // 2
    for half in (packed[:middle], packed[middle:]):
        current_app.send_task(inbound.name, (half,), argsrepr=f"{len(half)} messages")
    return []


def send(answers: Sequence[Outbound]) -> None:
    """Publishes; what the broker does not take is lost, and the devices ask again (WIRE.md 6.3)."""
    try:
        publisher.current().publish(answers)
    except publisher.NotSent as error:
        log.warning("%d answers were not sent: %s", len(answers), error)


# The tasks below are seldom, and Celery keeps connections open: one that broke meanwhile must not fail them.


@shared_task(name="provisioning.outbox")
def outbox() -> None:
    """Carries out what is due in the outbox."""
    close_old_connections()
    carrier.carry_out()


@shared_task(name="provisioning.webhooks")
def webhooks(sweep: bool = False) -> None:
    """Carries events to webhooks; the sweep also drops what has waited too long in a queue too long."""
    close_old_connections()
    if sweep:
        events.trim()
    events.carry_out()


@shared_task(name="provisioning.seal_audit")
def seal_audit() -> None:
    """Puts what was written to the audit log since at the end of its chain."""
    close_old_connections()
    audit.seal_all()


@shared_task(name="provisioning.housekeeping")
def tidy() -> None:
    """Trims timelines and erases what has been kept long enough."""
    close_old_connections()
    housekeeping.run()
