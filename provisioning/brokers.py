"""What Keyseed asks of an MQTT broker besides carrying messages, and the brokers that it can ask.

`current` is chosen by the settings; `standalone` brings its own with `use`.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID

from django.conf import settings

from provisioning import asking
from provisioning.dynsec.broker import Dynsec
from provisioning.mosquitto import MosquittoFiles


class Broker(Protocol):
    """A broker that lets devices in by what Keyseed knows of them."""

    def credentials_changed(self) -> None:
        """Makes it let in whom `devices.credentials` lets in, and nobody else."""

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Ends the live sessions of these devices."""


@runtime_checkable
class Registry(Broker, Protocol):
    """A broker that has a record of each device, so that a change of one need not cost a look at all.

    It cannot take a hash: a new password waits for it, sealed, in the outbox (`OutboxRow.secret`).
    """

    def devices_changed(self, device_ids: Collection[UUID]) -> None:
        """`credentials_changed` for these devices only."""

    def tend(self) -> None:
        """Called often: compares everything where the broker may have lost what it knew."""


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
    if settings.KEYSEED_MOSQUITTO_DYNSEC:
        return _dynsec(settings.KEYSEED_MOSQUITTO_DYNSEC)
    if settings.KEYSEED_MOSQUITTO_DIR:
        return MosquittoFiles(Path(settings.KEYSEED_MOSQUITTO_DIR), settings.KEYSEED_MOSQUITTO_PID_FILE)
    if settings.KEYSEED_BROKER_API:
        return asking.Asking(asking.parse(settings.KEYSEED_BROKER_API))
    return Unmanaged()


_connected: dict[tuple[int, str], Dynsec] = {}


def _dynsec(url: str) -> Dynsec:
    """This process's connection: a forked pool child must not share its parent's."""
    key = (os.getpid(), url)
    if key not in _connected:
        _connected[key] = Dynsec(url)
    return _connected[key]
