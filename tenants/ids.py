"""Ids in addresses: what is no UUID is read as that of no object, and goes the same way to the same 404."""

from __future__ import annotations

import re
from uuid import UUID

NOWHERE = UUID(int=0)
"""No object has this id: those we make are random."""

_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def read(text: str) -> UUID | None:
    """The UUID in its one written form, dashed, in either case; None for anything else."""
    return UUID(text) if _CANONICAL.fullmatch(text) else None


class IdConverter:
    """`<id:name>` in a path. Django's own `uuid` would answer another 404 than that of an unknown object."""

    regex = "[^/]+"

    def to_python(self, value: str) -> UUID:
        return read(value) or NOWHERE

    def to_url(self, value: UUID) -> str:
        return str(value)
