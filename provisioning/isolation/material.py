"""Two tenants with two of everything that an address can name, made over REST and taken away again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from provisioning.isolation.api import API
from provisioning.isolation.bodies import body
from provisioning.isolation.document import Operation

ELSEWHERE: Mapping[str, tuple[str, str]] = {"bulk_id": ("bulkClaimDevices", "bulkOpsRequestId")}
"""By parameter: the operation whose answer names such an object, and where, if it is not that of the collection."""

SECOND = "-2"
KEYS = ("viewer", "editor", "admin")


@dataclass
class Side:
    """A tenant: its owner's key, the text in all of its objects, an id by parameter, and what else tells of it."""

    name: str
    key: str
    tenant: str
    marker: str
    ids: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    made: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    secret: str = ""

    @property
    def telling(self) -> list[str]:
        """Texts that nobody else may see."""
        own = [id for name, id in self.ids.items() if name != "tenant_id"]
        return [self.marker, *own, *self.others, *([self.secret] if self.secret else [])]


def side(api: API, name: str, key: str) -> Side:
    """The tenant of an owner's key. Raises `Refused`."""
    tenant = api.made("GET", "/v1/tenant", key)
    found = Side(name, key, str(tenant["id"]), f"iso-{name.lower()}-{secrets.token_hex(6)}")
    found.ids["tenant_id"] = found.tenant
    return found


def new_tenant(api: API, platform_key: str, name: str) -> str:
    """Makes a tenant with the platform key; its owner's key. Raises `Refused`."""
    made = api.made("POST", "/v1/tenants", platform_key, {"name": f"isolation {name} {secrets.token_hex(4)}"})
    return str(made["apiKey"])


def fill(api: API, operations: Sequence[Operation], own: Side) -> None:
    """Makes two of everything; `ids` has the last of each. Raises `Refused`."""
    for _ in range(3):  # what hangs on another object is made once that is there
        for name in _missing(operations, own):
            _make(api, operations, own, name)
    describe = next((one for one in operations if one.id == "describeTag"), None)
    if describe is not None:
        api.made(describe.method, describe.path, own.key, body(describe, own.marker))


def _missing(operations: Iterable[Operation], own: Side) -> list[str]:
    names = dict.fromkeys(name for one in operations for name in one.parameters)
    return [name for name in names if name not in own.ids]


def _make(api: API, operations: Sequence[Operation], own: Side, name: str) -> None:
    maker, where = _maker(operations, name)
    if maker is None or any(parent not in own.ids for parent in maker.parameters):
        return
    for suffix in ("", SECOND):
        said = api.made(maker.method, maker.fill(own.ids), own.key, body(maker, own.marker + suffix))
        made = str(said[where])
        parents = {parent: own.ids[parent] for parent in maker.parameters}
        own.made.append((name, {**parents, name: made}))
        if suffix:  # the last one counts: a new password ends the one before
            own.others.append(own.ids[name])
        own.ids[name] = made
        if name == "credential_id":
            own.secret = str(said.get("secret", ""))


def _maker(operations: Sequence[Operation], name: str) -> tuple[Operation | None, str]:
    """The POST of the collection below which most addresses have this parameter."""
    if name in ELSEWHERE:
        id, where = ELSEWHERE[name]
        return next((one for one in operations if one.id == id), None), where
    below = [one.path.partition("/{" + name + "}")[0] for one in operations if name in one.parameters]
    posts = {one.path: one for one in operations if one.method == "POST"}
    found = [path for path in below if path in posts]
    return (posts[max(found, key=found.count)] if found else None), "id"


def unmade(operations: Iterable[Operation], own: Side) -> list[str]:
    """The parameters for which there is no object."""
    return _missing(operations, own)


def keys(api: API, own: Side) -> dict[str, str]:
    """A key of each lower role, a revoked one and one that has expired. Raises `Refused`."""
    found = {}
    for role in KEYS:
        found[role] = str(_key(api, own, {"name": own.marker, "role": role})["key"])
    revoked = _key(api, own, {"name": own.marker, "role": "owner"})
    api.made("DELETE", f"/v1/api-keys/{revoked['id']}", own.key)
    # By the installation's clock, which may not be ours.
    soon = datetime.fromisoformat(revoked["createdAt"]) + timedelta(seconds=1)
    ends = {"expiresAt": soon.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    expired = _key(api, own, {"name": own.marker, "role": "owner", **ends})
    time.sleep(1.2)
    return {**found, "revoked": str(revoked["key"]), "expired": str(expired["key"])}


def _key(api: API, own: Side, wanted: Mapping[str, str]) -> Any:
    made = api.made("POST", "/v1/api-keys", own.key, wanted)
    own.made.append(("key_id", {"key_id": str(made["id"])}))
    return made


def clear(api: API, operations: Sequence[Operation], own: Side) -> list[str]:
    """Takes away what was made, last first; what could not be taken away."""
    left = []
    for name, ids in reversed(own.made):
        ends = [
            one
            for one in operations
            if one.method == "DELETE" and one.parameters and one.parameters[-1] == name
        ]
        fitting = [
            one for one in ends if one.path.endswith("{" + name + "}") and set(one.parameters) <= set(ids)
        ]
        for one in sorted(fitting, key=lambda one: "identity" in one.path)[:1]:
            status = api.send("DELETE", one.fill(ids), own.key).status
            if status not in (204, 404, 409):
                left.append(f"{one.fill(ids)} ({status})")
    return left
