"""Seals stored secrets again with the first key, so that the others can be taken out."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pki.errors import Invalid
from provisioning import sealed
from provisioning.sealed import COLUMNS, Column, Step

LINE_EVERY = 5.0  # seconds

OUT = "The keys behind the first one may be taken out of KEYSEED_FIELD_KEYS."


@dataclass(slots=True)
class Tally:
    """What was found in one column, or in all."""

    fine: int = 0
    old: int = 0
    lost: list[str] = field(default_factory=list)

    def add(self, column: Column, step: Step) -> None:
        """Counts a step of this column."""
        self.fine += step.fine
        self.old += step.old
        self.lost += [f"{column.title} {id}" for id in step.lost]

    @property
    def seen(self) -> int:
        """How many values these are."""
        return self.fine + self.old + len(self.lost)


class Command(BaseCommand):
    """Exits 1 where a value opens with no key, and with `--check` also where one needs an older key."""

    help = (
        "Seals every stored secret again that is sealed with another than the first key of KEYSEED_FIELD_KEYS, "
        "while Keyseed serves. May be stopped at any time and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; say whether older keys are still needed"
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        try:
            keys = sealed.Keys()
        except Invalid as invalid:
            raise CommandError(invalid.reason) from None
        work = sealed.look if check else sealed.reseal
        tally, word = Tally(), "to be resealed" if check else "resealed"
        try:
            for column in COLUMNS:
                self._go_through(column, work(column, keys), tally, word)
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped. {_sentence(tally, word)}. Start it again to go on.", returncode=130
            ) from None
        self.stdout.write(f"{_sentence(tally, word)}.")
        self._conclude(tally, check)

    def _go_through(self, column: Column, steps: Iterator[Step], tally: Tally, word: str) -> None:
        """A bar on a terminal; else a line now and then, and one at the end of the column."""
        here = Tally()
        total, said = sealed.count(column), time.monotonic()
        with _bar(self.stderr.isatty()) as bar:
            task = bar.add_task(column.title, total=total)
            for step in steps:
                here.add(column, step)
                tally.add(column, step)
                bar.update(task, completed=here.seen, total=max(total, here.seen))
                if time.monotonic() - said > LINE_EVERY and not self.stderr.isatty():
                    said = time.monotonic()
                    self.stderr.write(f"{column.title}: {here.seen:,} of {total:,}")
        self.stdout.write(f"{column.title}: {_sentence(here, word)}")

    def _conclude(self, tally: Tally, check: bool) -> None:
        for one in tally.lost:
            self.stderr.write(f"opens with no key: {one}")
        if tally.lost:
            raise CommandError(
                "The values above are unchanged and need a key that is missing: find it, put it behind the "
                "first one, and start again. If it is gone for good, reset those commands with new secrets."
            )
        if not check:
            self.stdout.write("Run it with --check before you take a key out of KEYSEED_FIELD_KEYS.")
        elif tally.old:
            raise CommandError(
                "The keys behind the first one are still needed: keep them in KEYSEED_FIELD_KEYS, restart every "
                "process that still has them in another order, and run `manage.py rotate_field_keys`."
            )
        else:
            self.stdout.write(OUT)


def _sentence(tally: Tally, word: str) -> str:
    return f"{tally.old:,} {word}, {tally.fine:,} fine, {len(tally.lost):,} open with no key"


def _bar(live: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not live)
