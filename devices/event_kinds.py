"""What webhooks can hear of. This file does not know Django. Source: docs/webhooks.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """What happened; the word is what a body holds and a webhook asks for."""

    CLAIMED = "device.claimed"
    DEFINED = "device.defined"
    DELETED = "device.deleted"
    STATUS = "device.status"
    COMMAND_FAILED = "command.failed"
    TEST = "webhook.test"


ANY = "*"
"""Asks for every kind, those of later versions too."""

CHOICES = (ANY, *(kind.value for kind in Kind if kind is not Kind.TEST))
"""What a webhook may ask for: a test comes to whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a device: ids and states, never a text that came from a device."""

    tenant_id: UUID
    device_id: UUID | None
    kind: Kind
    data: Mapping[str, object] = field(default_factory=dict)
