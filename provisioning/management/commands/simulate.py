"""`manage.py simulate`: a fleet of simulated devices against a running Keyseed."""

import argparse
import asyncio
import os
import resource
import signal
import socket
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from provisioning.simulator import faults, numbers
from provisioning.simulator.connection import Broker, Version, broker
from provisioning.simulator.display import display
from provisioning.simulator.fleet import TIMING, Fleet, Settings
from provisioning.simulator.formats import Format
from provisioning.simulator.owner import Owner, OwnerError
from provisioning.simulator.summary import Summary

KEY_VARIABLE = "KEYSEED_API_KEY"  # keeps the key out of the process list and the shell's history

# Beside one socket a device: the owner's calls, the loop, standard streams.
SPARE_FILES = 100


class Command(BaseCommand):
    help = (
        "Define devices over REST, run them over MQTT until they are PROVISIONED, and say how long it took. "
        "They make real keys and requests and load real certificates. Exit code 1 unless all succeed."
    )
    # It talks to an installation, which may be another one than this; nothing here touches the database.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own declaration

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--devices", type=numbers.count, default=10, metavar="N", help="how many (default 10)"
        )
        parser.add_argument(
            "--api", default="http://127.0.0.1:8000", metavar="URL", help="default %(default)s"
        )
        parser.add_argument("--api-key", metavar="KEY", help=f"of an editor; default: ${KEY_VARIABLE}")
        parser.add_argument(
            "--mqtt", default="mqtt://127.0.0.1:1883", metavar="URL", help="default %(default)s"
        )
        parser.add_argument("--mqtt-version", type=Version, choices=list(Version), default=Version.V311)
        parser.add_argument("--root", default="prov/v1", help="of the topics (default %(default)s)")
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.JSON)
        parser.add_argument(
            "--parallel", type=numbers.count, default=50, metavar="P", help="at a time (default 50)"
        )
        parser.add_argument(
            "--timeout", type=numbers.seconds, default=120.0, metavar="S", help="for one device"
        )
        parser.add_argument("--faults", type=_faults, default=faults.NONE, help="such as lose=0.1,lie=0.05")
        parser.add_argument(
            "--pace", type=numbers.seconds, default=1.0, help="a factor on every wait of a device"
        )
        parser.add_argument("--keep", action="store_true", help="leave the devices there afterwards")

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["api_key"] or os.environ.get(KEY_VARIABLE)
        if not key:
            raise CommandError(f"An API key is needed: --api-key, or {KEY_VARIABLE} in the environment.")
        try:
            owner = Owner(options["api"], key)
            at = broker(options["mqtt"], options["mqtt_version"])
            owner.check()
            _reach(at)
        except (ValueError, OwnerError, OSError) as error:
            raise CommandError(str(error)) from error
        settings = Settings(
            devices=options["devices"],
            broker=at,
            format=options["format"],
            parallel=options["parallel"],
            timeout=options["timeout"],
            timing=TIMING.scaled(options["pace"]),
            faults=options["faults"],
            root=options["root"].strip("/"),
            keep=options["keep"],
        )
        _allow_files(settings.parallel + SPARE_FILES)
        console = Console()
        summary = asyncio.run(_run(settings, owner, console))
        for line in summary.lines():
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not summary.complete:
            sys.exit(1)


async def _run(settings: Settings, owner: Owner, console: Console) -> Summary:
    with display(settings.devices, console) as watcher:
        fleet = Fleet(settings, owner, watcher)
        for end in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(end, fleet.stop)
        return await fleet.run()


def _reach(at: Broker) -> None:
    """A broker that is not there is said at once, not when the first device has timed out."""
    try:
        socket.create_connection((at.host, at.port), timeout=10).close()
    except OSError as error:
        raise ConnectionError(f"No broker answers at {at.host}:{at.port}: {error}") from error


def _allow_files(wanted: int) -> None:
    """Every device holds a socket, and the limit that one starts with is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise CommandError(f"--parallel needs {wanted} open files; this system allows {hard} (ulimit -Hn).")
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _faults(text: str) -> faults.Faults:
    try:
        return faults.parse(text)
    except faults.BadFaults as error:
        raise argparse.ArgumentTypeError(str(error)) from error
