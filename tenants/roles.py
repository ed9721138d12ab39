"""The roles of API keys and members, and what each may do. This file does not know Django."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role in a tenant; it includes those before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"


class Platform(StrEnum):
    """The role of KEYSEED_PLATFORM_KEY, which is in no tenant: no API key and no member has it."""

    PLATFORM = "platform"


ABOUT = {
    Role.VIEWER: "reads",
    Role.EDITOR: "also works on devices and commands",
    Role.ADMIN: "also on rules, webhooks, API keys and everything else of the tenant but its members and owners",
    Role.OWNER: "also on members, owners and the tenant itself",
    Platform.PLATFORM: "makes and lists tenants, and sees nothing in them",
}

_ORDER = tuple(Role)


def includes(role: str, needed: Role | Platform) -> bool:
    """Whether a holder of `role` may do what `needed` is asked for."""
    if role == Platform.PLATFORM or needed is Platform.PLATFORM:
        return role == needed
    return _ORDER.index(Role(role)) >= _ORDER.index(needed)
