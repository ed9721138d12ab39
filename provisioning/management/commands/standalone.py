"""All of Keyseed in one process on one folder: for a try, a workshop, a small fleet."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from celery.app import app_or_default
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from provisioning import brokers, mqtt, publisher
from provisioning.embedded import parts
from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.folder import Folder, FolderDamaged, FolderTaken
from provisioning.embedded.rules import ServiceAccount
from provisioning.gateway import Gateway, Queue
from tenants import bootstrap
from tenants.errors import Refusal

MARK = "KEYSEED_STANDALONE"
READY_SECONDS = 30.0
TROUBLES = (FolderTaken, FolderDamaged, parts.NotStarted, OSError, bootstrap.KeyElsewhere, Refusal)


class Command(BaseCommand):
    help = "Runs everything in one process: database, MQTT broker (3.1.1), workers and web, on a data folder."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data", type=Path, required=True, help="the data folder; made if it is not there"
        )
        parser.add_argument("--http", default="127.0.0.1:8000", help="HOST:PORT of REST and admin")
        parser.add_argument("--mqtt", default="127.0.0.1:1883", help="HOST:PORT of the MQTT broker")
        parser.add_argument("--api-key", help="an owner's API key to use instead of a new one")

    def handle(self, *, data: Path, http: str, mqtt: str, api_key: str | None, **options: Any) -> None:
        ended = _end_on_signals()
        # Nobody else may read what is written here, also in a folder that was there and is open.
        os.umask(0o077)
        http_at, mqtt_at = _address(http, "--http"), _address(mqtt, "--mqtt")
        try:
            folder = Folder(data)
            if os.environ.get(MARK) != str(folder.path):
                # Settings are read when Django starts, so this process starts again on the folder's settings.
                environment = folder.environment(os.environ, *mqtt_at)
                os.execve(sys.executable, sys.orig_argv, {**environment, MARK: str(folder.path)})  # noqa: S606
            with folder.lock(), ExitStack() as running:
                self._prepare(folder, api_key)
                started = self._start(running, http_at, mqtt_at)
                self.stdout.write(f"ready http://{http} mqtt://{mqtt}")
                self.stdout.flush()
                _wait(ended, started)
                self.stderr.write("stopping")
        except TROUBLES as error:
            raise CommandError(str(error)) from error

    def _prepare(self, folder: Folder, api_key: str | None) -> None:
        call_command("migrate", verbosity=0)
        news = []
        if api_key is not None or not (folder.path / "started").exists():
            _, key = bootstrap.tenant_with_owner("default", api_key)
            news += [f"API key of tenant default (owner): {key}"] if api_key is None else []
        if made := bootstrap.operator():
            news.append(f"Admin login: {made[0]} {made[1]}")
        self._tell(folder, news)
        folder.keep_private("started", "")

    def _tell(self, folder: Folder, news: list[str]) -> None:
        """Secrets go to a person's eyes, or to a private file: never into what collects the output."""
        if not news:
            return
        if self.stdout.isatty():
            self.stdout.write("\n".join([*news, "Keep them: they are not shown again."]))
        else:
            path = folder.keep_private("first-start.txt", "\n".join(news) + "\n")
            self.stderr.write(f"The API key and the admin login are in {path}")

    def _start(
        self, running: ExitStack, http_at: tuple[str, int], mqtt_at: tuple[str, int]
    ) -> list[parts.Part]:
        """Starts everything, and leaves in `running` how to stop it, last first."""
        self._start_broker(running, mqtt_at)
        app, subscribed = app_or_default(), threading.Event()
        gateway = Gateway(
            settings.MQTT_URL,
            settings.KEYSEED_MQTT_ROOT,
            Queue(app),
            batch=settings.KEYSEED_BATCH_MESSAGES,
            on_ready=subscribed.set,
        )
        starts: list[Callable[[], parts.Part]] = [
            lambda: parts.worker(app, "inbound"),
            lambda: parts.worker(app, "jobs"),
            lambda: parts.beat(app),
            lambda: parts.gateway(gateway),
        ]
        started: list[parts.Part] = []
        for start in starts:
            started.append(start())
            running.callback(started[-1].stop)
        if not subscribed.wait(READY_SECONDS):
            raise CommandError("The gateway did not get its subscription: see the lines above.")
        started.append(parts.web(*http_at))
        running.callback(started[-1].stop)
        return started

    def _start_broker(self, running: ExitStack, mqtt_at: tuple[str, int]) -> None:
        service = mqtt.parse(settings.MQTT_URL)
        account = ServiceAccount(service.user or "", service.password or "")
        broker = EmbeddedBroker(*mqtt_at, settings.KEYSEED_MQTT_ROOT, parts.admit, account)
        try:
            broker.start()
        except OSError as error:
            raise CommandError(f"--mqtt: {error}") from error
        running.callback(broker.stop)
        brokers.use(parts.Embedded(broker))
        running.callback(publisher.current().close)


def _wait(ended: threading.Event, started: list[parts.Part]) -> None:
    """Until a signal comes. A part that ends by itself ends all: half a service is worse than none."""
    while not ended.wait(1.0):
        if lost := [name for part in started if (name := part.ended)]:
            raise CommandError(f"{', '.join(lost)} ended unasked: see the lines above.")


def _address(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise CommandError(f"{option} must read HOST:PORT, e.g. 127.0.0.1:8000, not {text!r}.")
    return host.strip("[]"), int(port)


def _end_on_signals() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended
