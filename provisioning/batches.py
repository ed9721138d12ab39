"""Runs a batch so that one message's trouble costs its neighbours nothing (law 6).

A system error (the database is away) is waited for and the batch tried again whole. Any other error is of its
data: the batch is done in halves, down to the one message that is answered `rejected INTERNAL`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F

from provisioning import conversation
from provisioning.messages import Inbound, Outbound
from provisioning.models import Redelivery

log = logging.getLogger(__name__)
Asked = TypeVar("Asked")

WAIT_SECONDS = 15.0
"""For how long a task waits for the database before it goes back to the queue."""

TRIES = 3
"""How often a batch is tried while the database answers but says that it could not (a deadlock, a lock)."""

DELIVERIES_MOST = 3
"""At its third delivery a batch is taken apart: it may be what kills the workers."""


class DatabaseAway(Exception):
    """The database did not come back in time; the batch must be tried later, whole."""


def handle(messages: Sequence[Inbound]) -> list[Outbound]:
    """Stores and answers the messages. Raises `DatabaseAway` and Celery's soft time limit, nothing else."""
    try:
        return _patiently(lambda: conversation.converse(messages))
    except (DatabaseAway, SoftTimeLimitExceeded):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the neighbours
        if len(messages) > 1:
            log.warning("A batch of %d failed (%s): doing it in halves", len(messages), type(error).__name__)
            middle = len(messages) // 2
            return handle(messages[:middle]) + handle(messages[middle:])
        # The error's text may quote what a device sent: only its type and place go to the log.
        log.error("A message on %s cannot be handled: %s", messages[0].topic, type(error).__name__)
        return give_up(messages[0])


def give_up(message: Inbound) -> list[Outbound]:
    """Answers the one that cannot be handled. Raises the same."""
    try:
        return _patiently(lambda: conversation.give_up(message))
    except (DatabaseAway, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("Its refusal could not be recorded either")
        return []


def _patiently(ask: Callable[[], Asked]) -> Asked:
    """What the database says to `ask`, waited for. Raises `DatabaseAway`, and what is the data's."""
    deadline, tries = time.monotonic() + WAIT_SECONDS, 0
    while True:
        try:
            return ask()
        except (OperationalError, InterfaceError) as error:
            tries += 1
            _check(error, tries, deadline)


def _check(error: Exception, tries: int, deadline: float) -> None:
    """Returns when another try makes sense; raises `error` when it is the data's, else `DatabaseAway`."""
    if _answers():
        if tries >= TRIES:
            raise error
        time.sleep(0.05 * tries)
        return
    connection.close()
    if time.monotonic() > deadline:
        raise DatabaseAway from error
    log.warning("The database does not answer (%s): trying again", type(error).__name__)
    time.sleep(1.0)


def _answers() -> bool:
    try:
        return connection.connection is not None and connection.is_usable()
    except Exception:  # noqa: BLE001 - any trouble here says no
        return False


def count_delivery(batch_id: UUID) -> int:
    """How often this batch has been delivered, this time included; only asked for one that came back.

    Raises `DatabaseAway`: a delivery that could not be counted was not the batch's fault.
    """
    return _patiently(lambda: _count(batch_id))


def _count(batch_id: UUID) -> int:
    seen, new = Redelivery.objects.get_or_create(batch_id=batch_id)
    if not new:
        Redelivery.objects.filter(batch_id=batch_id).update(times=F("times") + 1)
        seen.refresh_from_db()
    return seen.times + 1
