"""Writes what Mosquitto's dynamic security plugin starts from."""

from __future__ import annotations

import json
import os
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from provisioning import mqtt
from provisioning.dynsec import broker, records, wanted


class Command(BaseCommand):
    help = (
        "Writes the whole file of Mosquitto's dynamic security plugin from the database, while Mosquitto is stopped: "
        "the devices that have a password or certificate, and the service's own users."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", type=Path, metavar="PATH", help="the plugin_opt_config_file of mosquitto.conf"
        )
        parser.add_argument(
            "--replace", action="store_true", help="write over a file that is there, with all that it holds"
        )

    def handle(self, *, path: Path, replace: bool, **options: Any) -> None:
        if path.exists() and not replace:
            raise CommandError(
                f"{path} is there already. Stop Mosquitto and say --replace: users and roles of your own that are in "
                "it will be gone."
            )
        try:
            devices, users = wanted.devices(), broker.users()
        except (broker.NoUser, mqtt.BadURL) as error:
            raise CommandError(str(error)) from error
        if len(devices) > records.DEVICES_MOST:
            raise CommandError(
                f"{len(devices)} devices are too many for the dynamic security plugin: it takes "
                f"{records.DEVICES_MOST}. Use password_file and acl_file (KEYSEED_MOSQUITTO_DIR)."
            )
        try:
            _write(path, records.file(settings.KEYSEED_MQTT_ROOT, users, devices))
        except OSError as error:
            raise CommandError(str(error)) from error
        shut = sum(one.blocked for one in devices.values())
        self.stdout.write(
            f"{path}: {len(devices) - shut} devices and the service may sign in; {shut} are blocked"
        )


def _write(path: Path, content: Mapping[str, object]) -> None:
    """In one step, and nobody but the file's owner and group sees a hash."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        written = Path(file.name)
        try:
            json.dump(content, file)
            os.fchmod(file.fileno(), 0o640)
            if path.exists():
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
            file.flush()
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
