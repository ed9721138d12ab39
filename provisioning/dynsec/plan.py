"""Which commands bring one device, as the plugin has it, to what the database says. This file knows no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from provisioning.dynsec import records
from provisioning.dynsec.records import BARE, Json, Wanted


@dataclass(frozen=True, slots=True)
class Found:
    """A client as the plugin lists it."""

    label: str = ""
    enabled: bool = True
    roles: Sequence[str] = ()
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Commands in order; `lost`: the plugin lacks the newest password, which is known here as a hash only."""

    commands: Sequence[Json] = field(default=(), repr=False)
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Proof:
    """The client's fields that prove it. `anew`: they need a client that has no password."""

    fields: Json = field(default_factory=dict, repr=False)
    anew: bool = False


def plan(
    root: str,
    device_id: UUID,
    wanted: Wanted | None,
    client: Found | None,
    acls: Sequence[Json] | None,
    secret: str | None,
) -> Plan:
    """What to do about a device. `acls`: its role's, None where it has none; `secret`: its newest password, if told.

    Rights go before everything else: a client that is only disabled comes back in by a certificate.
    """
    if wanted is None:
        return Plan(list(_gone(device_id, client, acls)))
    proof = _proof(wanted, client, secret)
    lost = wanted.newest is not None and _label(client, proof) != records.label(wanted.newest)
    if wanted.blocked or proof is None:
        return Plan(list(_shut(device_id, client, proof)), lost)
    return Plan(list(_open(root, device_id, client, acls, proof)), lost)


def _proof(wanted: Wanted, client: Found | None, secret: str | None) -> _Proof | None:
    """By what the device may sign in here; None: by nothing that the plugin could be told."""
    current = client.label if client else ""
    newest = wanted.newest
    if newest is not None and secret is not None and current != records.label(newest):
        return _Proof({"textname": records.label(newest), "password": secret})
    if current in map(records.label, wanted.passwords):
        return _Proof()
    if not wanted.certified:
        return None
    return _Proof() if current == BARE else _Proof({"textname": BARE}, anew=True)


def _label(client: Found | None, proof: _Proof | None) -> object:
    """Which credential the plugin knows in the end."""
    known = client.label if client else ""
    return proof.fields.get("textname", known) if proof else None


def _gone(device_id: UUID, client: Found | None, acls: Sequence[Json] | None) -> Iterator[Json]:
    """With its client a device loses all rights and its session. A role that a client still has is never deleted:
    that makes Mosquitto 2.0 crash when the client follows."""
    if client is not None:
        yield _client("deleteClient", device_id)
    if acls is not None:
        yield _role("deleteRole", device_id)


def _shut(device_id: UUID, client: Found | None, proof: _Proof | None) -> Iterator[Json]:
    """No rights, then no sign-in; the client stays, because its password could not be told again."""
    fields = dict(proof.fields) if proof else {}
    if client is not None and (client.roles or client.groups):
        yield _client("modifyClient", device_id, roles=[], groups=[])
    if client is not None and client.enabled:
        yield _client("disableClient", device_id)
    if client is None or (proof and proof.anew):
        if fields:
            yield from _made(device_id, client, fields)
            yield _client("disableClient", device_id)
    elif fields:
        yield _client("modifyClient", device_id, **fields)


def _open(
    root: str, device_id: UUID, client: Found | None, acls: Sequence[Json] | None, proof: _Proof
) -> Iterator[Json]:
    own = records.device_acls(root, device_id)
    if acls is None:
        yield _role("createRole", device_id, acls=own)
    elif not same(acls, own):
        yield _role("modifyRole", device_id, acls=own)
    fields = dict(proof.fields)
    name = records.role_name(device_id)
    if client is None or proof.anew:
        yield from _made(device_id, client, {**fields, "roles": [{"rolename": name}]})
        return
    if acls is None or list(client.roles) != [name] or client.groups:
        fields |= {"roles": [{"rolename": name}], "groups": []}
    if fields:
        yield _client("modifyClient", device_id, **fields)
    if not client.enabled:
        yield _client("enableClient", device_id)


def _made(device_id: UUID, client: Found | None, fields: Mapping[str, object]) -> Iterator[Json]:
    if client is not None:
        yield _client("deleteClient", device_id)
    yield _client("createClient", device_id, **fields)


def same(found: Sequence[Json], wanted: Sequence[Json]) -> bool:
    """Whether two lists of rights are one, whatever their order."""
    return sorted(map(_right, found)) == sorted(map(_right, wanted))


def _right(acl: Json) -> tuple[str, str, bool]:
    return str(acl.get("acltype")), str(acl.get("topic")), bool(acl.get("allow"))


def _client(command: str, device_id: UUID, **fields: object) -> Json:
    return {"command": command, "username": str(device_id), **fields}


def _role(command: str, device_id: UUID, **fields: object) -> Json:
    return {"command": command, "rolename": records.role_name(device_id), **fields}
