"""The audit log: who did what to which object, when, from where. Entries are added and never changed.

An entry is written in the transaction of what it tells of, so that neither is there without the other. Its place in
the chain it is given later, by `seal`, so that nobody who writes waits for anybody else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from tenants import acting, chain
from tenants.chain import Head, Row
from tenants.models import AuditEntry, AuditHead

TEXT_MOST = 200
"""Characters of a text in an entry's data."""

ITEMS_MOST = 100
"""Items of a list or object in an entry's data."""

SEALED_AT_ONCE = 1_000

HEAD_ID = 1
_ROW = tuple(one.name for one in fields(Row))


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to one object. `data` has names of fields, ids and states, never a secret's value.

    `tenant_id` is whose log tells of it; None: the actor's, if it is of one, else nobody's but the operators'.
    """

    action: str
    object_kind: str
    object_id: object = ""
    tenant_id: UUID | None = None
    data: Mapping[str, object] = field(default_factory=dict)


def record(
    action: str,
    object_kind: str,
    object_id: object = "",
    tenant_id: UUID | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Writes one entry in the current actor's name, in the caller's transaction."""
    record_all([Act(action, object_kind, object_id, tenant_id, data or {})])


def record_all(acts: Iterable[Act]) -> None:
    """Writes all in one statement, none if there are none."""
    who, now = acting.current(), timezone.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(
            at=now,
            tenant_id=act.tenant_id or who.tenant_id,
            actor_kind=who.kind.value,
            actor_id=_text(who.id, 40),
            actor=_text(who.name),
            address=_text(who.address, 45),
            action=_text(act.action, 60),
            object_kind=_text(act.object_kind, 30),
            object_id=_text(act.object_id, 40),
            data=_bounded(act.data),
        )
        for act in acts
    )


def _text(value: object, most: int = TEXT_MOST) -> str:
    """What every database stores: without NUL and halves of characters."""
    return str(value).encode(errors="replace").decode().replace("\x00", "")[:most]


def _bounded(value: object) -> Any:
    match value:
        case None | bool() | int():
            return value
        case Mapping():
            return {_text(name): _bounded(one) for name, one in list(value.items())[:ITEMS_MOST]}
        case list() | tuple():
            return [_bounded(one) for one in value[:ITEMS_MOST]]
    return _text(value)


# ---- the chain


def head() -> Head:
    """The end of the chain as the database has it."""
    found = AuditHead.objects.filter(id=HEAD_ID).values_list("place", "digest").first()
    return Head(*found) if found else Head()


def seal(limit: int = SEALED_AT_ONCE) -> int:
    """Puts the oldest entries that have no place at the end of the chain, `limit` at most; how many it were.

    Whoever seals holds the head; another one waits. What is committed later gets a later place.
    """
    with transaction.atomic():
        held, _ = AuditHead.objects.select_for_update(no_key=True).get_or_create(id=HEAD_ID)
        end = Head(held.place, held.digest)
        loose = AuditEntry.objects.filter(place=None).order_by("id")
        entries = list(loose[:limit])
        for entry in entries:
            end = chain.follow(end, row(entry))
            entry.place, entry.digest = end.place, end.digest
        if entries:
            _write(entries)
            AuditHead.objects.filter(id=HEAD_ID).update(place=end.place, digest=end.digest)
    return len(entries)


def _write(sealed: Sequence[AuditEntry]) -> None:
    # One prepared statement, sent for all without waiting: what the ORM makes of it takes fifty times as long.
    sql = f"UPDATE {AuditEntry._meta.db_table} SET place = %s, digest = %s WHERE id = %s"  # noqa: S608, SLF001
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(one.place, one.digest, one.id) for one in sealed])


def seal_all(seconds: float = 10.0) -> None:
    """The same for all entries that there are, as far as the time allows."""
    end = time.monotonic() + seconds
    while seal() == SEALED_AT_ONCE and time.monotonic() < end:
        pass


def row(entry: AuditEntry) -> Row:
    """What the chain covers of an entry."""
    return Row(*(getattr(entry, name) for name in _ROW))
