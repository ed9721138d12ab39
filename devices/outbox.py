"""What must happen outside is written here, in the transaction that calls for it (law 10).

`provisioning` carries it out: at once, by a task that is sent by name on commit, or by its sweep if that was lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from celery import current_app
from django.db import transaction

from devices.models import OutboxRow

TASK = "provisioning.outbox"
SWEEP = timedelta(seconds=10)
"""How often the outbox is looked through for what is due."""

PAUSE_SECONDS = 1.0
"""After a broker did not answer, nobody else waits for it for that long: trying takes about half a second."""

log = logging.getLogger(__name__)
_paused_until = 0.0


class Kind(StrEnum):
    """What can be asked for."""

    NOTIFY = "notify"
    KICK = "kick"
    CREDENTIALS = "credentials"


def put(
    kind: Kind,
    device_ids: Collection[UUID | None],
    at: datetime,
    due: datetime | None = None,
    secret: str = "",
) -> None:
    """Asks for `kind` for each device (None: the installation), not before `due`. `secret` is sealed already."""
    due = due or at
    rows = [
        OutboxRow(kind=kind.value, device_id=d, created_at=at, due_at=due, secret=secret) for d in device_ids
    ]
    OutboxRow.objects.bulk_create(rows)
    transaction.on_commit(lambda: nudge(TASK, due - at))


def nudge(task: str, wait: timedelta = timedelta(0)) -> None:
    """Has the task run after `wait`, unless its sweep comes before, or the Celery broker is away."""
    global _paused_until  # noqa: PLW0603 - what this process knows of the broker
    if wait > SWEEP or time.monotonic() < _paused_until:
        return  # the sweep finds it in time
    try:
        current_app.send_task(task, countdown=wait.total_seconds() or None, retry=False)
    except Exception as error:  # noqa: BLE001 - the row is the truth: without the nudge the sweep finds it
        _paused_until = time.monotonic() + PAUSE_SECONDS
        log.warning(
            "The Celery broker does not answer (%s): %s waits for its sweep", type(error).__name__, task
        )
