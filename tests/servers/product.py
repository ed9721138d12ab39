"""Keyseed's own processes on private servers, as an installation runs them: for the pipeline's tests and the bench."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.fernet import Fernet

from tests.servers import leash, ports
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docker" / "mosquitto.conf"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
PROGRAMS: Mapping[str, list[str]] = {
    "gateway": ["manage.py", "gateway"],
    "inbound": ["-m", "celery", "-A", "config", "worker", "-Q", "inbound", "-c", "2", "-n", "inbound@%h"],
    "jobs": ["-m", "celery", "-A", "config", "worker", "-Q", "jobs", "-c", "1", "-n", "jobs@%h"],
    "web": ["-m", "waitress", "--listen", "127.0.0.1:{http_port}", "config.wsgi:application"],
}
READY: Mapping[str, str] = {"gateway": "ready", "inbound": "ready.", "jobs": "ready.", "web": "Serving on"}


class Process:
    """One running program of Keyseed, its output in a file."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self._skip = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                leash.command([sys.executable, *command], signal=signal.SIGKILL),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def text(self) -> str:
        """What it has written since it was started."""
        return self.log.read_text(errors="replace")[self._skip :]

    def children(self) -> list[int]:
        """The process ids of its children: a Celery worker's pool."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in found.split()]

    def wait_for(self, words: str, seconds: float = READY_SECONDS) -> None:
        """Waits until it has written `words`. Raises RuntimeError with the end of its log."""
        end = time.monotonic() + seconds
        while words not in self.text:
            if self._popen.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} did not say {words!r}:\n{self.text[-3000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, to it and to all that it started."""
        os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()

    def stop(self) -> int:
        """SIGTERM, then SIGKILL; its exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._popen.returncode


class Product:
    """`with Product(folder) as product:` has PostgreSQL, Redis, Mosquitto, a migrated database and one tenant.

    `start` runs one of `PROGRAMS`. `key` is an owner's API key of the tenant `default`.
    """

    def __init__(
        self, folder: Path, *, durable: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.key = f"test-{secrets.token_hex(16)}"
        self.http_port = ports.reserve()
        self._password = secrets.token_hex(16)
        self._files = folder / "mosquitto"
        self._stack = ExitStack()
        self.postgres = Postgres(folder / "postgres", durable=durable)
        self.redis = Redis(folder / "redis")
        self.mosquitto = Mosquitto(self._files, CONFIG.read_text())
        self.processes: dict[str, Process] = {}
        self._settings = dict(settings or {})

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process."""
        service = self.mosquitto.ports[1884]
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": self.postgres.url,
            "CELERY_BROKER_URL": self.redis.url,
            "MQTT_URL": f"mqtt://gateway:{self._password}@127.0.0.1:{service}",
            "KEYSEED_SECRET_KEY": "product-" + "s" * 60,
            "KEYSEED_FIELD_KEYS": self._field_key,
            "KEYSEED_MOSQUITTO_DIR": str(self._files),
            "KEYSEED_MOSQUITTO_PID_FILE": str(self.mosquitto.pid_file),
            **self._settings,
        }

    @property
    def device_port(self) -> int:
        """Mosquitto's listener for devices."""
        return self.mosquitto.ports[1883]

    def __enter__(self) -> Self:
        self._field_key = Fernet.generate_key().decode()
        with ExitStack() as stack:
            stack.enter_context(self.postgres)
            stack.enter_context(self.redis)
            self.manage("migrate", "--verbosity", "0")
            self.manage("bootstrap", "--api-key", self.key)
            self.manage("mosquitto_files", str(self._files))
            stack.enter_context(self.mosquitto)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes.values():
            process.stop()
        ports.release(self.http_port)
        self._stack.close()

    def manage(self, *arguments: str) -> str:
        """Runs `manage.py` and returns what it printed. Raises RuntimeError with its errors."""
        return self._run("manage.py", *arguments)

    def python(self, program: str, *arguments: str) -> str:
        """Runs a Python program in the product's environment and returns what it printed."""
        return self._run("-c", program, *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, name: str) -> Process:
        """Starts one of `PROGRAMS` and waits until it serves."""
        command = [part.format(http_port=self.http_port) for part in PROGRAMS[name]]
        if name == "web":
            ports.release(self.http_port)
        process = Process(name, command, self.environment, self.folder / f"{name}.log")
        self.processes[name] = process
        process.wait_for(READY[name])
        return process
