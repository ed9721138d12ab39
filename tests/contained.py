"""Runs what compose.yaml runs, without an engine: its commands and environment, with addresses and paths moved."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import containers
from tests.containers import DOCKER, ROOT
from tests.servers import find, ports
from tests.servers.mosquitto import Mosquitto, password_lines
from tests.servers.postgres import Postgres
from tests.servers.product import Process
from tests.servers.redis import Redis

CONFIG = (DOCKER / "mosquitto.conf").read_text()
# What each process says when it serves.
READY = {
    "gateway": "ready",
    "worker": "ready.",
    "jobs": "ready.",
    "beat": "is starting",
    "web": "Listening at",
}


def environment(**more: str) -> dict[str, str]:
    """Where programs are, and nothing else of this process's environment."""
    folders = [Path(sys.executable).parent, find.mosquitto().parent, find.mosquitto_pub().parent]
    return {"PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]), **more}


def make_secrets(folder: Path) -> Path:
    """The folder of secrets, made as compose.yaml's heading says."""
    subprocess.run(["sh", "-euc", containers.recipe()], cwd=folder, check=True)
    return folder / "secrets"


class ContainedMosquitto(Mosquitto):
    """A Mosquitto that mosquitto.sh runs, as in its container."""

    def command(self) -> list[str]:
        *_, config = super().command()
        path = f"PATH={environment()['PATH']}"
        return ["/usr/bin/env", path, "sh", str(DOCKER / "mosquitto.sh"), config]

    def replace_passwords(self, users: dict[str, str]) -> None:
        """Puts a new file in the old one's place, as Keyseed does."""
        new = self.password_file.with_suffix(".new")
        new.write_text(password_lines(users))
        new.replace(self.password_file)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the things are that compose.yaml gives names to: `moved` maps its texts to ours."""

    folder: Path
    moved: Mapping[str, str]

    def move(self, text: str) -> str:
        """The text with our addresses and paths."""
        for there, here in self.moved.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """The service's environment."""
        given = containers.services()[name].get("environment", {})
        moved = {variable: self.move(str(value)) for variable, value in given.items()}
        return environment(**containers.image_environment(), **moved)

    def run(self, name: str) -> None:
        """Runs a service that ends. Raises AssertionError with what it said."""
        shell, option, text = containers.command(containers.services()[name])
        done = subprocess.run(
            [shell, option, self.move(text)],
            cwd=ROOT,
            env=self.environment(name),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (self.folder / "secrets" / "owner_api_key").read_text() not in done.stdout + done.stderr

    def start(self, name: str) -> Process:
        """Starts a service that stays."""
        program, *arguments = map(self.move, containers.command(containers.services()[name]))
        command = arguments if program == "python" else ["-m", program, *arguments]
        return Process(name, command, self.environment(name), self.folder / f"{name}.log")


@dataclass(frozen=True, slots=True)
class Installation:
    """All of compose.yaml, running."""

    place: Place
    broker: Mosquitto
    api: str
    processes: Mapping[str, Process]


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Everything that compose.yaml names, in its order."""
    secrets, files, http = make_secrets(folder), folder / "broker", ports.reserve()
    broker = ContainedMosquitto(files, CONFIG)
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres"))
        redis = stack.enter_context(Redis(folder / "redis"))
        moved = {
            containers.SECRETS: f"{secrets}/",
            "redis://redis:6379/0": redis.url,
            "/mosquitto/keyseed": str(files),
            "0.0.0.0:8000": f"127.0.0.1:{http}",
            "/tmp/celerybeat-schedule": str(folder / "celerybeat-schedule"),
        }
        (secrets / "database_url").write_text(postgres.url)
        address = secrets / "mqtt_url"
        address.write_text(address.read_text().replace("mosquitto:1884", f"127.0.0.1:{broker.ports[1884]}"))
        place = Place(folder, moved)
        place.run("migrate")
        stack.enter_context(broker)
        place.run("bootstrap")
        ports.release(http)
        processes = {}
        for name in READY:
            processes[name] = place.start(name)
            stack.callback(processes[name].stop)
        for name, process in processes.items():
            process.wait_for(READY[name])
        yield Installation(place, broker, f"http://localhost:{http}", processes)
