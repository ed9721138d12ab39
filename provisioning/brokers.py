"""What Keyseed asks of an MQTT broker besides carrying messages, and the brokers that it can ask.

`current` is chosen by the settings; `standalone` brings its own with `use`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings

from provisioning.mosquitto import MosquittoFiles


class Broker(Protocol):
    """A broker that lets devices in by what Keyseed knows of them."""

    def credentials_changed(self) -> None:
        """Makes it let in whom `devices.credentials` lets in, and nobody else."""

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Ends the live sessions of these devices."""


class Unmanaged:
    """A broker that somebody else fills: nothing can be asked of it."""

    def credentials_changed(self) -> None:
        """Nothing: its owner reads the database."""

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Nothing: the service refuses a blocked device's messages anyway."""


_used: Broker | None = None


def use(broker: Broker | None) -> None:
    """From now on this process's broker is this one."""
    global _used  # noqa: PLW0603 - a process has one broker, as it has one database
    _used = broker


def current() -> Broker:
    """The broker that the settings name, unless `use` named another."""
    if _used is not None:
        return _used
    if settings.KEYSEED_MOSQUITTO_DIR:
        return MosquittoFiles(Path(settings.KEYSEED_MOSQUITTO_DIR), settings.KEYSEED_MOSQUITTO_PID_FILE)
    return Unmanaged()
