"""Makes a key for KEYSEED_FIELD_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from pki.sealing import new_key


class Command(BaseCommand):
    help = (
        "Prints a new key for KEYSEED_FIELD_KEYS. To rotate, put it in front and leave the old one behind it."
    )
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        self.stdout.write(new_key())
