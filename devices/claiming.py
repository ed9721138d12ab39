"""Claims by attestation token: one or a thousand at once, each judged by its signature before who holds the device.

So a stranger without a proven token learns of no device whether somebody has it, where proof is `known`.
Source: docs/nrf-cloud.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import events, journal, proof, services, store, timeline
from devices.event_kinds import Event, Kind
from devices.models import Device, IdentityKey, Tag
from devices.proof import Proof
from devices.row import DeviceRow
from devices.status import Ownership
from devices.timeline import Entry
from pki import attestation
from pki.attestation import Attestation
from pki.errors import Invalid
from tenants import acting, audit
from tenants.audit import Act
from tenants.errors import Refusal, invalid
from tenants.ids import NOWHERE
from tenants.models import Tenant

ROUNDS_MOST = 5
"""How often the rows are decided anew because somebody else claimed one of them meanwhile."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One claim as it was sent; `row` is its place in the file."""

    row: int
    token: str = field(repr=False)
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one row was not claimed."""

    row: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all rows: the ids in the order of their rows."""

    claimed: Sequence[UUID]
    failed: Sequence[Failed]


@dataclass(frozen=True, slots=True)
class _Sound:
    """A claim whose token may be believed as far as the tenant's proof goes."""

    wanted: Wanted
    token: Attestation
    verified: bool

    @property
    def id(self) -> UUID:
        return self.token.device_id


def claim(tenant_id: UUID, token: str, tags: Sequence[str], by: str) -> UUID:
    """The id of the device that the token names, now this tenant's. Raises `Refusal`."""
    outcome = claim_all(tenant_id, [Wanted(1, token, tags)], by)
    for failed in outcome.failed:
        raise failed.refusal
    return outcome.claimed[0]


def claim_all(tenant_id: UUID, wanted: Sequence[Wanted], by: str) -> Outcome:
    """Claims every row that may be claimed, whatever the others are, in one transaction."""
    sound, failed = _judge(Tenant.objects.get(id=tenant_id), wanted)
    for _ in range(ROUNDS_MOST):
        try:
            with transaction.atomic():
                free, held = _decide(tenant_id, sound)
                _write(tenant_id, free, by)
        except IntegrityError:
            continue  # somebody else was quicker with one of them: now it is there to be seen
        claimed = [one.id for one in sorted(free, key=lambda one: one.wanted.row)]
        return Outcome(claimed, sorted([*failed, *held], key=lambda one: one.row))
    raise Refusal("CONFLICT", "Others claim the same devices at this moment: send the request again.")


# ---- what the tokens say


def _judge(tenant: Tenant, wanted: Sequence[Wanted]) -> tuple[list[_Sound], list[Failed]]:
    """The claims that may be believed, each device once, and why the others may not."""
    failed: list[Failed] = []
    read: list[tuple[Wanted, Attestation]] = []
    for one in wanted:
        try:
            read.append((one, _read(one.token)))
        except Refusal as refusal:
            failed.append(Failed(one.row, refusal))
    keys = _known_keys([token.device_id for _, token in read])
    configured = proof.wanted(tenant)
    sound: dict[UUID, _Sound] = {}
    for one, token in read:
        try:
            verified = _verified(token, keys.get(token.device_id), configured)
            if (same := sound.get(token.device_id)) is not None:
                raise _twice(same.wanted.row)
            sound[token.device_id] = _Sound(one, token, verified)
        except Refusal as refusal:
            failed.append(Failed(one.row, refusal))
    return list(sound.values()), failed


def _read(text: str) -> Attestation:
    try:
        token = attestation.read(text)
    except Invalid as wrong:
        raise invalid("claimToken", wrong.reason) from None
    if token.device_id == NOWHERE:
        raise invalid("claimToken", "The device id in it is all zeros, which is no device's.")
    return token


def _known_keys(ids: Collection[UUID]) -> Mapping[UUID, str]:
    found = IdentityKey.objects.filter(device_id__in=ids, learnt=False)
    return dict(found.values_list("device_id", "public_key"))


def _verified(token: Attestation, key: str | None, configured: Proof) -> bool:
    """Whether the signature verifies; False where nothing is known and nothing needs to be. Raises `Refusal`."""
    if key is None:
        if configured is Proof.KNOWN:
            raise _not_provable(token.device_id)
        return False
    if not attestation.verifies(token, key):
        raise invalid(
            "claimToken",
            f"Its signature does not verify with the identity key that is known for device {token.device_id}. "
            "Read the token from the device again; if it is genuine, the key was imported for another device.",
        )
    return True


# ---- who has the devices


def _decide(tenant_id: UUID, sound: Sequence[_Sound]) -> tuple[list[_Sound], list[Failed]]:
    """What may be claimed now, by ascending id, and what somebody holds. Unproven claims of others are gone.

    The rows of all that are held, and the new ones, are touched in one order, so that no two wait for each other.
    """
    rows = store.lock([one.id for one in sound])
    free: list[_Sound] = []
    failed: list[Failed] = []
    gone: list[DeviceRow] = []
    for one in sorted(sound, key=lambda one: one.id):
        row = rows.get(one.id)
        if row is None:
            free.append(one)
        elif row.tenant_id == tenant_id:
            failed.append(Failed(one.wanted.row, _yours(one.id)))
        elif one.verified and row.ownership_status == Ownership.UNPROVEN:
            gone.append(row)
            free.append(one)
        else:
            failed.append(Failed(one.wanted.row, _anothers(one.id)))
    services.remove(gone, timezone.now())
    _audit_lost(gone)
    return free, failed


def _audit_lost(gone: Sequence[DeviceRow]) -> None:
    """Whose claim it was is not to learn who has the device now."""
    with acting.acting(acting.SYSTEM):
        lost = {"why": "another claim has a proof"}
        audit.record_all(Act("device.claim-lost", "device", one.id, one.tenant_id, lost) for one in gone)


def _write(tenant_id: UUID, free: Sequence[_Sound], by: str) -> None:
    now = timezone.now()
    Device.objects.bulk_create(_device(tenant_id, one) for one in free)
    Tag.objects.bulk_create(
        Tag(device_id=one.id, tenant_id=tenant_id, tag=tag)
        for one in free
        for tag in dict.fromkeys(one.wanted.tags)
    )
    journal.record(Entry(one.id, now, timeline.Kind.CHANGED, _said(one, by)) for one in free)
    claimed = [Event(tenant_id, one.id, Kind.CLAIMED, {"proof": _proof(one)}) for one in free]
    events.emit(claimed, now)


def _device(tenant_id: UUID, one: _Sound) -> Device:
    return Device(
        id=one.id,
        tenant_id=tenant_id,
        device_type=one.token.device_type_name,
        firmware_id=str(one.token.firmware_id),
        ownership_status=Ownership.IDENTIFIED if one.verified else Ownership.UNPROVEN,
    )


def _said(one: _Sound, by: str) -> dict[str, object]:
    return {"what": "claimed", "proof": _proof(one), "by": by}


def _proof(one: _Sound) -> str:
    return "verified" if one.verified else "unproven"


# ---- what is said


def _twice(row: int) -> Refusal:
    return Refusal(
        "CLAIMED_ALREADY", f"Row {row} of this file claims the same device: leave one of the two out."
    )


def _yours(device_id: UUID) -> Refusal:
    return Refusal(
        "CLAIMED_ALREADY",
        f"Device {device_id} is yours already. To claim it anew, unclaim it first with "
        f"DELETE /v1/claimed-devices/{device_id}: all that it has here is gone then.",
    )


def _anothers(device_id: UUID) -> Refusal:
    return Refusal(
        "CLAIMED_BY_ANOTHER", f"Whoever holds device {device_id} must unclaim it before you can claim it."
    )


def _not_provable(device_id: UUID) -> Refusal:
    return Refusal(
        "CLAIM_NOT_PROVABLE",
        f"No identity key is known for device {device_id}, so nothing tells whether the token is genuine. The "
        "operator of this installation imports identity keys with `manage.py identity_keys import FILE`; with one "
        "tenant, POST /v1/identity-keys does it too, or KEYSEED_CLAIM_PROOF=first-use lets claims go without.",
    )
