"""Keyseed's own processes on the servers and the database of the test session."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.db import connection

from tests.servers import ports
from tests.servers.postgres import Postgres
from tests.servers.product import PROGRAMS, READY, Process

CELERY = "import sys; from celery.__main__ import main; sys.argv[0] = 'celery'; main()"


class Running:
    """Starts programs, keeps their logs in `folder`, and knows them all."""

    def __init__(self, folder: Path, environment: Mapping[str, str], stack: ExitStack) -> None:
        self.folder, self.environment = folder, environment
        self._stack = stack
        self.http_port = ports.reserve()
        self.processes: list[Process] = []

    def start(self, name: str, **settings: str) -> Process:
        """One of `PROGRAMS`, once it serves."""
        return self._started(name, PROGRAMS[name], settings)

    def altered(self, name: str, change: str, **settings: str) -> Process:
        """A Celery worker of `PROGRAMS` in whose processes the Python line `change` has been run first."""
        arguments = PROGRAMS[name][2:]
        command = ["-c", f"{SETUP}{change}\n{CELERY}", *arguments]
        return self._started(name, command, settings)

    def _started(self, name: str, command: list[str], settings: Mapping[str, str]) -> Process:
        if name == "web":
            ports.release(self.http_port)
            command = [part.format(http_port=self.http_port) for part in command]
        log = self.folder / f"{name}-{len(self.processes)}.log"
        process = Process(name, command, {**self.environment, **settings}, log)
        self.processes.append(process)
        self._stack.callback(_end, process)
        process.wait_for(READY[name])
        return process

    @property
    def text(self) -> str:
        """All that all of them have written."""
        return "".join(process.text for process in self.processes)


SETUP = "import django\ndjango.setup()\n"


@contextmanager
def running(folder: Path, postgres: Postgres) -> Iterator[Running]:
    """They end with the block."""
    database = postgres.url_of(str(connection.settings_dict["NAME"]))
    with ExitStack() as stack:
        found = Running(folder, {**os.environ, "DATABASE_URL": database}, stack)
        stack.callback(ports.release, found.http_port)
        yield found


def _end(process: Process) -> None:
    """At once: what these processes have in hand is of no interest any more."""
    if process._popen.poll() is None:
        process.kill()


def ended(process: Process, seconds: float = 20.0) -> int:
    """Waits until it ended by itself; its exit code."""
    return process._popen.wait(seconds)
