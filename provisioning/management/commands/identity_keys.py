"""Imports, lists and removes identity keys, with which devices sign what they are claimed by."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from devices import claims_csv, identity_keys
from devices.identity_keys import Stored
from devices.models import IdentityKey
from tenants import ids
from tenants.errors import Refusal


class Command(BaseCommand):
    help = (
        "Imports (a CSV file of deviceId,publicKey), lists or removes the identity keys that prove claims by "
        "attestation token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("import", help="stores keys; doing it again changes nothing")
        load.add_argument("file", help="CSV rows deviceId,publicKey, with a header or without; - for stdin")
        load.add_argument("--replace", action="store_true", help="let a key take the place of a known one")
        actions.add_parser("list", help="prints what was imported, as `import` takes it")
        remove = actions.add_parser("remove", help="forgets what is known of one device")
        remove.add_argument("id", help="the device's UUID")

    def handle(self, *, action: str, **options: Any) -> None:
        match action:
            case "import":
                self._import(options["file"], options["replace"])
            case "list":
                self._list()
            case "remove":
                self._remove(options["id"])

    def _import(self, name: str, replace: bool) -> None:
        counts: Counter[str] = Counter()
        try:
            with _opened(name, self.stderr) as lines:
                for stored in identity_keys.load(claims_csv.rows(lines, identity_keys.HEADER), replace):
                    self._tell(stored, counts)
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
        self.stdout.write(
            f"{counts['added']:,} imported, {counts['replaced']:,} replaced, {counts['known']:,} known already, "
            f"{counts['wrong']:,} refused"
        )
        if counts["wrong"]:
            raise CommandError("The lines above were refused; everything else is stored.")

    def _tell(self, stored: Stored, counts: Counter[str]) -> None:
        for name in ("added", "replaced", "known", "wrong"):
            counts[name] += len(getattr(stored, name))
        for wrong in sorted(stored.wrong, key=lambda one: one.place):
            self.stderr.write(f"line {wrong.place}: {wrong.refusal.message}")

    def _list(self) -> None:
        found = IdentityKey.objects.filter(learnt=False).order_by("device_id")
        self.stdout.write("deviceId,publicKey")
        for device_id, pem in found.values_list("device_id", "public_key").iterator():
            body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
            self.stdout.write(f"{device_id},{body}")

    def _remove(self, text: str) -> None:
        try:
            identity_keys.remove(_id(text))
        except Refusal as refusal:
            raise CommandError(refusal.message) from None


def _id(text: str) -> UUID:
    found = ids.read(text)
    if found is None:
        raise CommandError(f"{text} is no UUID.")
    return found


@contextmanager
def _opened(name: str, err: Any) -> Iterator[IO[str]]:
    """The file's lines with their ends; what is no UTF-8 makes its own line wrong. A bar on a terminal."""
    if name == "-":
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace", newline="")  # type: ignore[union-attr]
        yield sys.stdin
        return
    options: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "replace", "newline": ""}
    if not err.isatty():
        with Path(name).open(**options) as plain:
            yield plain
        return
    bar = Progress(console=Console(stderr=True), transient=True)
    with bar, bar.open(name, "rt", description="identity keys", **options) as watched:
        yield watched
