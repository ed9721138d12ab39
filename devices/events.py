"""What happened to devices is written for the webhooks that asked for it, in the transaction in which it happened.

`provisioning.webhooks` carries it out: nudged on commit, or by its sweep if the nudge was lost.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction

from devices import outbox
from devices.event_kinds import ANY, Event
from tenants.models import Webhook, WebhookDelivery

TASK = "provisioning.webhooks"

_INSERT = """
INSERT INTO tenants_webhookdelivery (webhook_id, event_id, kind, body, created_at, due_at, tries, error)
SELECT w.id, v.event_id, v.kind, v.body, v.at, v.at, 0, ''
FROM json_to_recordset(%s::json)
  AS v(place integer, tenant_id uuid, event_id uuid, kind text, body jsonb, at timestamptz)
JOIN tenants_webhook w ON w.tenant_id = v.tenant_id
WHERE w.paused_at IS NULL AND (w.events ? v.kind OR w.events ? '*')
ORDER BY v.place
FOR KEY SHARE OF w
"""
"""The lock waits for whoever deletes the webhook just now: a delivery without one would cost the batch."""


def emit(events: Sequence[Event], at: datetime) -> None:
    """Writes the events for all webhooks that asked for them, in order; one statement, none for no events.

    Events of one device are in the order in which they happened if their transactions held the device's row.
    """
    if not events:
        return
    rows = [_row(event, place, at) for place, event in enumerate(events)]
    written = _insert(rows) if connection.vendor == "postgresql" else _insert_one_by_one(rows, at)
    if written:
        nudge()


def put(webhook_id: UUID, event: Event, at: datetime) -> UUID:
    """Writes an event for one webhook, whatever it asked for; the event's id."""
    row = _row(event, 0, at)
    WebhookDelivery.objects.create(**_columns(webhook_id, row, at))
    nudge()
    return UUID(str(row["event_id"]))


def nudge() -> None:
    """Has what is due carried out once this transaction is committed."""
    transaction.on_commit(lambda: outbox.nudge(TASK))


def _row(event: Event, place: int, at: datetime) -> dict[str, object]:
    event_id = str(uuid.uuid4())
    body = {
        "id": event_id,
        "kind": event.kind.value,
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "tenantId": str(event.tenant_id),
        "deviceId": None if event.device_id is None else str(event.device_id),
        "data": dict(event.data),
    }
    return {
        "place": place,
        "tenant_id": str(event.tenant_id),
        "event_id": event_id,
        "kind": event.kind.value,
        "body": body,
        "at": at.isoformat(),
    }


def _insert(rows: Sequence[Mapping[str, object]]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [json.dumps(rows)])
        return int(cursor.rowcount)


def _insert_one_by_one(rows: Sequence[Mapping[str, object]], at: datetime) -> int:
    """For SQLite, where nobody else writes meanwhile."""
    tenants = {str(row["tenant_id"]) for row in rows}
    active = list(Webhook.objects.filter(tenant_id__in=tenants, paused_at__isnull=True))
    made = [
        WebhookDelivery(**_columns(webhook.id, row, at))
        for row in rows
        for webhook in active
        if str(webhook.tenant_id) == row["tenant_id"] and {row["kind"], ANY} & set(webhook.events)
    ]
    WebhookDelivery.objects.bulk_create(made)
    return len(made)


def _columns(webhook_id: UUID, row: Mapping[str, object], at: datetime) -> dict[str, object]:
    shared = {name: row[name] for name in ("event_id", "kind", "body")}
    return {**shared, "webhook_id": webhook_id, "created_at": at, "due_at": at}
