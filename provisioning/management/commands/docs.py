"""`manage.py docs` writes the documents that are made from the code; `--check` names those that are stale."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from provisioning import documents


class Command(BaseCommand):
    """Exits 1 where `--check` finds a document stale."""

    help = "Write the documents that are made from the code."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; fail if one is stale")
        parser.add_argument(
            "--folder", type=Path, default=settings.BASE_DIR, help="the project's folder, with docs/ in it"
        )

    def handle(self, *args: Any, check: bool, folder: Path, **options: Any) -> None:
        stale = {
            path: text
            for path, text in documents.every(settings.ENVIRONMENT).items()
            if not _holds(folder / path, text)
        }
        if check and stale:
            raise CommandError(f"Stale: {', '.join(stale)}. Run `manage.py docs` and commit what it wrote.")
        for path, text in stale.items():
            self._write(folder / path, text)

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.stdout.write(f"wrote {path}")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
