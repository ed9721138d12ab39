"""Proves that nobody has changed the audit log, and names its head for keeping elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from tenants import audit, audit_proof, chain
from tenants.audit_proof import Verified
from tenants.chain import Head


class Command(BaseCommand):
    help = (
        "Walks the chain of the audit log and prints its head, PLACE:DIGEST. Keep that where nobody who reaches the "
        "database can: with --head it shows later whether entries were taken off the end or all made anew."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", type=_head, metavar="PLACE:DIGEST", help="a head of an earlier day")
        parser.add_argument(
            "--from",
            type=int,
            default=1,
            dest="from_place",
            metavar="PLACE",
            help="believe what is before it",
        )

    def handle(self, *, head: Head | None, from_place: int, **options: Any) -> None:
        found = _watched(from_place, head)
        if found.broken:
            raise CommandError(
                f"The audit log is broken at place {found.broken.place}: {found.broken.reason}."
            )
        self.stdout.write(
            f"The audit log holds: {found.head.place:,} sealed entries, {found.unsealed:,} not sealed yet."
        )
        if found.head.place:
            self.stdout.write(f"{found.head}")


def _watched(from_place: int, head: Head | None) -> Verified:
    """Verifies, with a bar on a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("audit log", total=max(audit.head().place - from_place + 1, 0))
        return audit_proof.verify(from_place, head, lambda count: bar.update(task, advance=count))


def _head(text: str) -> Head:
    found = chain.read(text)
    if found is None:
        raise ArgumentTypeError(f"{text} is no head: give PLACE:DIGEST as verify_audit printed it.")
    return found
