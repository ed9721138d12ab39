"""The parts of Keyseed as threads of one process: Celery's workers and beat, the gateway, the web server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any, Protocol
from uuid import UUID

from celery import Celery
from celery.beat import Scheduler, Service
from celery.worker import WorkController
from django.db import close_old_connections
from django.utils import timezone

from devices import sign_in
from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.rules import Admission
from provisioning.embedded.web import server as web_server
from provisioning.gateway import Gateway

START_SECONDS = 30.0
STOP_SECONDS = 10.0
log = logging.getLogger(__name__)


class NotStarted(Exception):
    """A part did not come up."""


class Part(Protocol):
    """Something that runs until it is stopped."""

    @property
    def ended(self) -> str | None:
        """Its name, if it is not running any more."""

    def stop(self) -> None:
        """Returns when it has ended."""


class _Thread:
    """A blocking `run` in a thread, and how to make it return."""

    def __init__(
        self, name: str, run: Callable[[], object], end: Callable[[], object], patience: float = STOP_SECONDS
    ) -> None:
        self._end, self._patience = end, patience
        self._thread = threading.Thread(target=run, name=name, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> str | None:
        """Its name, if it is not running any more."""
        return None if self._thread.is_alive() else self._thread.name

    def stop(self) -> None:
        """Makes `run` return and waits for it."""
        self._end()
        self._thread.join(self._patience)
        if self._thread.is_alive() and self._patience:
            log.info("%s did not end within %.0f s", self._thread.name, self._patience)


def worker(app: Celery, queue: str) -> Part:
    """A Celery worker that takes from one queue and runs one task at a time; returns when it takes tasks.

    Two workers of one app share the list of queues until each has begun to take, so they may not start together.
    """
    taking = threading.Event()
    made: Any = WorkController(
        app=app,
        ready_callback=lambda consumer: taking.set(),
        pool="solo",
        concurrency=1,
        queues=[queue],
        hostname=f"{queue}@standalone",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    thread = _Thread(f"worker {queue}", made.start, made.stop)
    if not taking.wait(START_SECONDS):
        raise NotStarted(f"The worker for {queue} did not start within {START_SECONDS:.0f} s.")
    return thread


def beat(app: Celery) -> Part:
    """Celery's clock, without a file of its own."""
    made: Any = Service(app, max_interval=1, scheduler_cls=Scheduler)
    return _Thread("beat", lambda: made.start(embedded_process=False), lambda: made.stop(wait=False))


def gateway(made: Gateway) -> Part:
    """The gateway."""
    return _Thread("gateway", made.run, made.stop)


def web(host: str, port: int) -> Part:
    """The web part. Raises `NotStarted` where it cannot listen."""
    try:
        server = web_server(host, port)
    except OSError as error:
        raise NotStarted(
            f"--http {host}:{port} cannot be listened on ({error.strerror}). Stop what listens there, or give "
            "another address."
        ) from error
    # Requests under way are finished. The loop itself would go on for as long as a browser keeps a connection open,
    # and closing its sockets under the threads makes them fail: it ends with the process.
    return _Thread("web", server.run, lambda: server.task_dispatcher.shutdown(timeout=2), patience=0)


def admit(device_id: str, secret: str) -> Admission | None:
    """`devices.sign_in.by_secret` for the broker's threads, which nobody else cleans up after."""
    try:
        found = sign_in.by_secret(device_id, secret)
    except sign_in.NotSignedIn as refused:
        log.info("device %.64r is not let in: %s", device_id, refused.reason)
        return None
    finally:
        close_old_connections()
    if found.blocked:
        return None
    return Admission(None if found.until is None else (found.until - timezone.now()).total_seconds())


class Embedded:
    """The embedded broker as `provisioning.brokers` knows a broker: it asks the database at every sign-in."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker

    def credentials_changed(self) -> None:
        """Nothing: the next sign-in sees it."""

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Ends the live sessions of these devices."""
        for device_id in device_ids:
            self._broker.kick(str(device_id))
