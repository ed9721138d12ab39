"""The roles of API keys and what each may do. This file does not know Django."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role includes those before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"


ABOUT = {
    Role.VIEWER: "reads",
    Role.EDITOR: "also works on devices and commands",
    Role.ADMIN: "also on API keys and everything else of the tenant but its owners",
    Role.OWNER: "also on owners and the tenant itself",
}

_ORDER = tuple(Role)


def includes(role: str, needed: Role) -> bool:
    """Whether a holder of `role` may do what `needed` is asked for."""
    return _ORDER.index(Role(role)) >= _ORDER.index(needed)
