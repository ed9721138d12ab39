"""Shows or renews the CA that issues the devices' own certificates."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devices import certificates
from devices.models import DeviceCA
from pki.sealing import CannotOpen


class Command(BaseCommand):
    help = (
        "Prints the device CA that brokers trust for devices' certificates (show), or its revocation lists (crl); "
        "makes a new one that issues from now on (new)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("show", help="prints every device CA that has not ended, newest first, as PEM")
        actions.add_parser("crl", help="prints their revocation lists as PEM")
        actions.add_parser("new", help="makes a new one; both are trusted until the old one ends")

    def handle(self, *, action: str, **options: Any) -> None:
        now = timezone.now()
        try:
            match action:
                case "show":
                    self._show(certificates.authorities(now))
                case "crl":
                    self.stdout.write(certificates.lists(now), ending="")
                case "new":
                    self._show([certificates.rotate(now)])
        except CannotOpen as error:
            raise CommandError(str(error)) from error

    def _show(self, rows: Iterable[DeviceCA]) -> None:
        for row in rows:
            self.stdout.write(f"{_name(row)}, until {row.ends_at:%Y-%m-%d}")
            self.stdout.write(row.certificate, ending="")


def _name(row: DeviceCA) -> str:
    return x509.load_pem_x509_certificate(row.certificate.encode()).subject.rfc4514_string()
