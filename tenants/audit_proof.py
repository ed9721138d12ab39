"""Proves that the audit log is what was sealed: nothing changed, nothing taken out, nothing moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tenants import audit, chain
from tenants.chain import Head
from tenants.models import AuditEntry

CHUNK = 2_000
"""Entries that are read at once."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the log is not what was sealed, and how."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`head` is as far as the chain holds; `unsealed` counts the entries that wait for their place."""

    head: Head
    unsealed: int
    broken: Break | None


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place where the chain must have this digest, and what it means if it has not."""

    head: Head
    otherwise: str


def verify(
    from_place: int = 1, known: Head | None = None, seen: Callable[[int], None] = lambda count: None
) -> Verified:
    """Walks the chain to its end, from `from_place` on: the entries before that are believed.

    `known` is the head of an earlier day, which must still be part of the chain. `seen` hears how many entries more
    were read.
    """
    marks = [_Mark(audit.head(), "the head of the chain is another")]
    if known is not None:
        marks.append(_Mark(known, "the given head is not part of this chain: it was made anew since"))
        from_place = min(from_place, known.place)
    end = _before(from_place)
    broken = Break(from_place - 1, "the entry is missing") if end is None else None
    end = end or Head()
    for rows in () if broken else _chunks(end):
        end, broken = _walk(end, rows, marks)
        seen(len(rows))
        if broken:
            break
    broken = broken or _ending(end, marks)
    return Verified(end, AuditEntry.objects.filter(place=None).count(), broken)


def _before(place: int) -> Head | None:
    if place <= 1:
        return Head()
    found = AuditEntry.objects.filter(place=place - 1).values_list("place", "digest").first()
    return Head(found[0] or 0, found[1]) if found else None


def _chunks(end: Head) -> Iterator[Sequence[AuditEntry]]:
    place = end.place
    while rows := list(AuditEntry.objects.filter(place__gt=place).order_by("place")[:CHUNK]):
        yield rows
        place = rows[-1].place or 0


def _walk(end: Head, rows: Sequence[AuditEntry], marks: Sequence[_Mark]) -> tuple[Head, Break | None]:
    for number, entry in enumerate(rows, 1):
        after = chain.follow(end, audit.row(entry))
        if entry.place != after.place:
            return end, Break(after.place, "the entry is missing")
        if entry.digest != after.digest:
            return end, Break(after.place, _why(end, rows[number:]))
        for mark in marks:
            if mark.head.place == after.place and mark.head.digest != after.digest:
                return end, Break(after.place, mark.otherwise)
        end = after
    return end, None


def _why(end: Head, later: Sequence[AuditEntry]) -> str:
    for other in later:
        if chain.follow(end, audit.row(other)).digest == other.digest:
            return f"out of order: what was sealed here stands at place {other.place}"
    return "the entry or its digest was changed, or what stood before it was taken out"


def _ending(end: Head, marks: Sequence[_Mark]) -> Break | None:
    if any(mark.head.place > end.place for mark in marks):
        return Break(end.place + 1, "the entry is missing, and all that were sealed after it")
    # Asked again: entries may have been sealed while the chain was walked.
    if (stored := audit.head().place) < end.place:
        return Break(stored + 1, "the chain has entries behind its head")
    return None
