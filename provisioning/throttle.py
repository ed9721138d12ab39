"""One `get` a second a device, bursts of 10, counted on the stamps of receipt. Source: WIRE.md 10."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

INTERVAL = timedelta(seconds=1)
BURST = 10
JUMP = timedelta(minutes=5)
"""Further ahead is no memory of many requests: a gateway's clock was set back, for which no device shall wait."""


def take(next_at: datetime | None, received: datetime) -> tuple[datetime, int]:
    """The device's new memory, and the seconds for which it has to wait: 0 means go on.

    `next_at` is when the next `get` would be on time if all were evenly spread; None for a device's first.
    """
    if next_at is not None and next_at - received > JUMP:
        next_at = None
    on_time = max(next_at or received, received)
    ahead = on_time - received
    if ahead > INTERVAL * (BURST - 1):
        return on_time, math.ceil((ahead - INTERVAL * (BURST - 1)) / INTERVAL)
    return on_time + INTERVAL, 0
