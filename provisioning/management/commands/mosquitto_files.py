"""Writes what Mosquitto needs to let devices in."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from provisioning.mosquitto import MosquittoFiles, NoServiceUser


class Command(BaseCommand):
    help = "Writes Mosquitto's password_file, acl_file, device_ca.pem and crl.pem from the credentials in the database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="where Mosquitto looks for them")
        parser.add_argument(
            "--pid-file", default="", help="Mosquitto's pid file: it is told to read them again"
        )

    def handle(self, *, folder: Path, pid_file: str, **options: Any) -> None:
        try:
            files = MosquittoFiles(folder, pid_file)
            count = files.write()
            files.reload()
        except (NoServiceUser, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{folder}: {count} devices and the service may sign in")
