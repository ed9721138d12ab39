"""What comes from a device and what goes to it, as the gateway and the publisher carry it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from provisioning.wire.messages import Rejected


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a device. `received` is the gateway's stamp; `correlation` is MQTT 5 Correlation Data.

    `overhead` is how many bytes go around the answer in what the device can receive.
    """

    topic: str
    payload: bytes
    received: datetime
    correlation: bytes | None = None
    overhead: int = 0


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message to a device, to be sent after commit.

    `items` is how many commands it brings; `refused` says that it is a refusal, and why.
    """

    topic: str
    payload: bytes
    correlation: bytes | None = None
    items: int = 0
    refused: Rejected | None = None
