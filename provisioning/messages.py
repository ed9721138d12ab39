"""What comes from a device and what goes to it, as the gateway and the publisher carry it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a device. `received` is the gateway's stamp; `correlation` is MQTT 5 Correlation Data."""

    topic: str
    payload: bytes
    received: datetime
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message to a device, to be sent after commit."""

    topic: str
    payload: bytes
    correlation: bytes | None = None
