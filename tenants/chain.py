"""The chain of the audit log: every entry's digest covers the entry before it. This file does not know Django.

Whoever changes, takes out or puts in an entry has to make every later digest anew, and then the end of the chain is
another than the one that was written down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

_HEAD = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Row:
    """What an entry says."""

    id: int
    at: datetime
    tenant_id: UUID | None
    actor_kind: str
    actor_id: str
    actor: str
    address: str
    action: str
    object_kind: str
    object_id: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the place of its last entry, 0 of an empty one, and that entry's digest."""

    place: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.place}:{self.digest}"


def read(text: str) -> Head | None:
    """The head that was written down as `PLACE:DIGEST`; None if it is none."""
    found = _HEAD.fullmatch(text.strip())
    return Head(int(found[1]), found[2]) if found else None


def follow(head: Head, row: Row) -> Head:
    """The head of the chain with this row at its end.

    The digest is SHA-256, in hexadecimal digits, of the digest before it and the row as JSON in UTF-8: sorted keys, no
    spaces, times in UTC with microseconds.
    """
    place = head.place + 1
    return Head(place, hashlib.sha256((head.digest + _canonical(place, row)).encode()).hexdigest())


def _canonical(place: int, row: Row) -> str:
    said = {
        "place": place,
        "id": row.id,
        "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "tenant": None if row.tenant_id is None else str(row.tenant_id),
        "actorKind": row.actor_kind,
        "actorId": row.actor_id,
        "actor": row.actor,
        "address": row.address,
        "action": row.action,
        "objectKind": row.object_kind,
        "objectId": row.object_id,
        "data": row.data,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
