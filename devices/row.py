"""A device's row as the rules see it: a value, read under the row's lock. This file does not know Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from devices.status import Ownership


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """What a conversation or a repair reads of a device, and may change but for the first and last two.

    `rules_seen` is the tenant's `rules_version` up to which rules were given to it.
    """

    id: UUID
    tenant_id: UUID
    blocked: bool
    status: str
    pending: int
    closed_through: int
    last_seen_at: datetime | None
    next_get_at: datetime | None
    notified_at: datetime | None
    rules_seen: int = 0
    ownership_status: str = Ownership.DEFINED.value
    proved_at: datetime | None = None

    @property
    def unproven(self) -> bool:
        """Whether nothing proves yet that the device is its owner's: it carries no secrets then."""
        return self.ownership_status == Ownership.UNPROVEN and self.proved_at is None
