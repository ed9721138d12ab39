"""A device's row as the rules see it: a value, read under the row's lock. This file does not know Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """What a conversation or a repair reads of a device, and may change but for the first two."""

    id: UUID
    tenant_id: UUID
    blocked: bool
    status: str
    pending: int
    closed_through: int
    last_seen_at: datetime | None
    next_get_at: datetime | None
    notified_at: datetime | None
