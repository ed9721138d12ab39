"""Secrets of commands, sealed on their way into the database and opened on their way to the device (law 7)."""

from __future__ import annotations

from collections.abc import Mapping

from commands.catalogue import TYPES
from commands.store import Content
from devices.field_keys import sealer


def sealed(secrets: Mapping[str, str]) -> str | None:
    """The secrets as they are stored, None where there are none."""
    return sealer().seal(secrets) if secrets else None


class Erased(Exception):
    """A command that is to be served has lost its secrets: a device must never store the mask instead."""


def opened(type: str, content: Content) -> Mapping[str, object]:
    """What the device gets. Raises `Erased`, and `pki.sealing.CannotOpen` where the key is not configured."""
    if content.secrets is None:
        if TYPES[type].secrets:
            raise Erased("Its secrets are gone. Reset it and send them again.")
        return content.params
    return {**content.params, **sealer().open(content.secrets)}
