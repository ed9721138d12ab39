"""Clients and roles as Mosquitto's dynamic security plugin keeps them, and the file that it starts from.

The plugin knows no pattern for "the client's own name", so every device has a role of its own with its own topics.
This file knows no framework. Source: docs/decisions/0025-what-the-dynamic-security-plugin-can.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from devices import passwords

DEVICES_MOST = 5_000
"""The plugin writes its whole file at every change, and serves nobody meanwhile: 5 MB with as many devices."""

BARE = "certificate only"
"""The label of a client that no password opens."""

ROLE = "device "

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the database says of a device that some credential opens the broker for.

    `passwords`: by credential id, the stored form of every valid one, the newest last.
    """

    blocked: bool = False
    passwords: Mapping[str, str] = field(default_factory=dict)
    certified: bool = False

    @property
    def newest(self) -> str | None:
        """The credential whose password the broker should know: it has room for one."""
        return next(reversed(list(self.passwords)), None)


@dataclass(frozen=True, slots=True)
class User:
    """An account of the service itself. `admin`: it may change what the plugin knows."""

    name: str
    password: str = field(repr=False)
    topics: bool = False
    admin: bool = False


def label(credential_id: str) -> str:
    """What stands beside a client's password, so that a later look tells which one it is."""
    return f"credential {credential_id}"


def role_name(device_id: UUID) -> str:
    """The role that only this device has."""
    return f"{ROLE}{device_id}"


def owner_of(role: str) -> UUID | None:
    """The device whose role is called so; None for other roles."""
    return device_of(role.removeprefix(ROLE)) if role.startswith(ROLE) else None


def device_of(name: str) -> UUID | None:
    """The device that a client of this name is; None for users that are no device."""
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None


def device_acls(root: str, device_id: UUID) -> list[Json]:
    """What a device may: say `get` and `results`, and hear its own. Source: WIRE.md 1.3."""
    own = f"{root}/{device_id}"
    return [
        _allow("publishClientSend", f"{own}/+/get"),
        _allow("publishClientSend", f"{own}/+/results"),
        _allow("publishClientReceive", f"{own}/#"),
        _allow("subscribePattern", f"{own}/#"),
    ]


def file(root: str, users: Collection[User], devices: Mapping[UUID, Wanted]) -> dict[str, object]:
    """The plugin's whole file. What no role allows, nobody may; a blocked device is in it, shut out."""
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [
            *(_user(user) for user in users),
            *(_client(device_id, wanted) for device_id, wanted in devices.items()),
        ],
        "groups": [],
        "roles": [
            _role("keyseed topics", _service_acls(root)),
            _role("keyseed admin", _all_of("$CONTROL/dynamic-security/#")),
            *(_role(role_name(device_id), device_acls(root, device_id)) for device_id in devices),
        ],
    }


def _service_acls(root: str) -> list[Json]:
    return [*_all_of(f"{root}/#"), _allow("subscribePattern", f"$share/+/{root}/#")]


def _all_of(topics: str) -> list[Json]:
    return [
        _allow(kind, topics) for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
    ]


def _user(user: User) -> dict[str, object]:
    names = {"keyseed topics": user.topics, "keyseed admin": user.admin}
    roles = [{"rolename": name} for name, has in names.items() if has]
    return {"username": user.name, "roles": roles, **_hashed(passwords.digest(user.password))}


def _client(device_id: UUID, wanted: Wanted) -> dict[str, object]:
    proof: dict[str, object] = {"textname": BARE}
    if wanted.newest is not None:
        proof = {"textname": label(wanted.newest), **_hashed(wanted.passwords[wanted.newest])}
    rights: dict[str, object] = {"roles": [{"rolename": role_name(device_id)}]}
    return {
        "username": str(device_id),
        **proof,
        **({"roles": [], "disabled": True} if wanted.blocked else rights),
    }


def _hashed(digest: str) -> dict[str, object]:
    """`$7$rounds$salt$hash` in the plugin's words: both use PBKDF2 with SHA-512."""
    _, _, rounds, salt, derived = digest.split("$")
    return {"password": derived, "salt": salt, "iterations": int(rounds)}


def _role(name: str, acls: Collection[Json]) -> dict[str, object]:
    return {"rolename": name, "acls": list(acls)}


def _allow(kind: str, topic: str) -> Json:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
