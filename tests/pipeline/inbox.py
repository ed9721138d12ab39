"""The queue between gateway and workers, looked into: who takes from it here is the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app
from kombu.serialization import prepare_accept_content

from provisioning import tasks
from provisioning.gateway import QUEUE, Gateway, Queue
from provisioning.tasks import Packed
from tests.pipeline import cast

SECONDS = 20.0
ACCEPT = prepare_accept_content(["msgpack"])


class Inbox:
    """Takes batches as a worker does."""

    def __init__(self) -> None:
        app: Any = current_app
        self._connection = app.connection_for_read()
        self._channel: Any = self._connection.default_channel

    def empty(self) -> None:
        """Forgets what waits."""
        self._channel.queue_purge(QUEUE)

    def close(self) -> None:
        self._connection.release()

    def waiting(self) -> int:
        """How many batches wait."""
        return int(self._channel.queue_declare(queue=QUEUE).message_count)

    def take(self, seconds: float = SECONDS) -> list[Packed]:
        """The next batch. Fails when none comes."""
        batch = self.look(seconds)
        assert batch is not None, "no batch came"
        return batch

    def look(self, seconds: float) -> list[Packed] | None:
        """The next batch, if one comes in time."""
        end = time.monotonic() + seconds
        while True:
            message = self._channel.basic_get(QUEUE)
            if message is not None:
                message.ack()
                message.accept = ACCEPT
                (batch,) = message.decode()[0]
                return [tuple(one) for one in batch]
            if time.monotonic() > end:
                return None
            time.sleep(0.001)

    def take_messages(self, count: int) -> list[Packed]:
        """Batches until there are so many messages."""
        found: list[Packed] = []
        while len(found) < count:
            found += self.take()
        return found

    def work(self, until: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Does what a worker does, in this thread."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, "it did not come so far"
            if (batch := self.look(0.05)) is not None:
                tasks.inbound(batch)


@contextmanager
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def gateway(url: str, group: str = "", batch: int = 500) -> Iterator[Gateway]:
    """A gateway in a thread, once it is subscribed."""
    ready = threading.Event()
    app: Any = current_app
    made = Gateway(url, cast.ROOT, Queue(app), group=group, batch=batch, on_ready=ready.set)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        assert ready.wait(SECONDS)
        yield made
    finally:
        made.stop()
        thread.join()
