"""Keyseed before one's eyes: everything up, three simulated devices provisioned, then there to play with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tenants import keys

HTTP, MQTT = 8000, 1883
STOP_SECONDS = 15
HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Starts `standalone` on a temporary folder, provisions three simulated devices, and stays up."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--exit", action="store_true", help="end, with 0, when the devices are provisioned"
        )

    def handle(self, *, exit: bool, **options: Any) -> None:
        key = keys.new()
        http, mqtt = f"{HOST}:{_port(HTTP)}", f"{HOST}:{_port(MQTT)}"
        with tempfile.TemporaryDirectory(prefix="keyseed-demo-") as folder:
            self.stdout.write("Starting database, MQTT broker, workers and web …")
            with _standalone(Path(folder), http, mqtt, key):
                _simulate(f"http://{http}", f"mqtt://{mqtt}", key)
                if not exit:
                    self._stay(Path(folder), http, mqtt, key)

    def _stay(self, folder: Path, http: str, mqtt: str, key: str) -> None:
        login = (folder / "first-start.txt").read_text().strip()
        self.stdout.write(f"\nAdmin     http://{http}/admin/\n          {login}")
        self.stdout.write(f"API       http://{http}/v1/docs\n          API key (owner): {key}")
        self.stdout.write(f"MQTT      {mqtt}\n\nAll of it is gone when you stop it with Ctrl-C.")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


@contextmanager
def _standalone(folder: Path, http: str, mqtt: str, key: str) -> Iterator[None]:
    command = ["standalone", "--data", str(folder), "--http", http, "--mqtt", mqtt, "--api-key", key]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    log = (folder / "standalone.log").open("wb")
    with (
        log,
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=_unblocked,  # noqa: PLW1509 - no thread runs yet
        ) as process,
    ):
        assert process.stdout is not None
        try:
            _wait_until_ready(process.stdout, folder / "standalone.log")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def _unblocked() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def _wait_until_ready(output: IO[bytes], log: Path) -> None:
    for line in output:
        if line.startswith(b"ready "):
            threading.Thread(target=output.read, daemon=True).start()
            return
    raise CommandError(f"It did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _simulate(http: str, mqtt: str, key: str) -> None:
    command = ["simulate", "--devices", "3", "--keep", "--api", http, "--mqtt", mqtt]
    environment = {**os.environ, "KEYSEED_API_KEY": key}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
        env=environment,
        check=False,
        preexec_fn=_unblocked,
    )
    if done.returncode:
        raise CommandError("The devices were not provisioned: see above.")


def _port(wanted: int) -> int:
    """The usual port, or a free one where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise CommandError("No port is free.")
