"""Identity keys: those by which devices sign their attestation tokens. They prove the claims of all tenants.

So an import is the operator's; who is the only tenant is the operator, as far as claims go. What was learnt from a
device's first token gives way to what is imported. Source: docs/nrf-cloud.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError, transaction

from devices.claims_csv import Row
from devices.models import IdentityKey
from pki import keys, requests
from pki.errors import Invalid
from tenants import audit, ids
from tenants.errors import Refusal, invalid

HEADER = "deviceId"
CHUNK = 1_000
"""Rows a transaction."""


@dataclass(frozen=True, slots=True)
class Given:
    """A key that may be stored: P-256, as PEM. `place` is where the import has it."""

    place: int
    device_id: UUID
    public_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why the key at `place` was not taken."""

    place: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of some keys: `known` were there already, `replaced` stood for another."""

    added: Sequence[UUID]
    replaced: Sequence[UUID]
    known: Sequence[UUID]
    wrong: Sequence[Wrong]


def check(place: int, device_id: str, public_key: str) -> Given:
    """The key, if it can be a device's identity key. Raises `Refusal` that names the field.

    PEM, base64 of the DER in one line, or modem style.
    """
    found = ids.read(device_id.strip())
    if found in (None, ids.NOWHERE):
        raise invalid(HEADER, "Must be the device's UUID, such as 50363154-3931-44f0-8022-121b6401627d.")
    assert found is not None
    try:
        key = keys.read(requests.read_public_key(_modern(public_key)))
    except Invalid as wrong:
        raise invalid("publicKey", wrong.reason) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise invalid("publicKey", "An identity key is EC on P-256: this is another kind of key.")
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Given(place, found, pem)


def _modern(key: str) -> str:
    """Base64 of either alphabet as base64url, which is what modems write; PEM as it is."""
    return key if "-----" in key else key.strip().replace("+", "-").replace("/", "_")


def read(row: Row, place: int) -> Given:
    """The key in a row `deviceId,publicKey`. Raises `Refusal`."""
    if row.wrong:
        raise Refusal("INVALID", row.wrong)
    if len(row.cells) != 2:
        raise Refusal(
            "INVALID", "Send two columns a row, deviceId and publicKey; PEM between quotation marks."
        )
    return check(place, *row.cells)


def load(rows: Iterable[Row], replace: bool) -> Iterator[Stored]:
    """Stores the keys of a file of any size, at most `CHUNK` in a transaction; what became of each lot."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        given, wrong = split(chunk, by_line=True)
        stored = store(given, replace)
        yield Stored(stored.added, stored.replaced, stored.known, [*wrong, *stored.wrong])


def split(rows: Iterable[Row], by_line: bool) -> tuple[list[Given], list[Wrong]]:
    """The rows that hold a key, and what is wrong with the others; `by_line`: their place is the file's line."""
    given: list[Given] = []
    wrong: list[Wrong] = []
    for row in rows:
        place = row.line if by_line else row.number
        try:
            given.append(read(row, place))
        except Refusal as refusal:
            wrong.append(Wrong(place, refusal))
    return given, wrong


def store(given: Sequence[Given], replace: bool) -> Stored:
    """Stores these keys in one transaction. Another key than a device's known one is wrong, unless `replace`."""
    for _ in range(3):
        try:
            with transaction.atomic():
                return _store(given, replace)
        except IntegrityError:
            continue  # another import was quicker with one of them: now it is there to be compared
    raise Refusal("CONFLICT", "Others import keys of the same devices at this moment: try again.")


def _store(given: Sequence[Given], replace: bool) -> Stored:
    known = _imported([one.device_id for one in given])
    new: dict[UUID, str] = {}
    same: list[UUID] = []
    wrong: list[Wrong] = []
    for one in given:
        before = new.get(one.device_id) or known.get(one.device_id)
        if before == one.public_key:
            same.append(one.device_id)
        elif before is None or replace:
            new[one.device_id] = one.public_key
        else:
            wrong.append(Wrong(one.place, _another(one.device_id)))
    # What was learnt, and what is replaced.
    IdentityKey.objects.filter(device_id__in=new).delete()
    IdentityKey.objects.bulk_create(IdentityKey(device_id=id, public_key=key) for id, key in new.items())
    stored = Stored([id for id in new if id not in known], [id for id in new if id in known], same, wrong)
    _audit(stored)
    return stored


def _audit(stored: Stored) -> None:
    """One entry for all: a factory's delivery is a hundred thousand."""
    changed = [*stored.added, *stored.replaced]
    if changed:
        data = {"added": len(stored.added), "replaced": len(stored.replaced), "replacedIds": stored.replaced}
        one = changed[0] if len(changed) == 1 else ""
        audit.record("identity-keys.imported", "identity-key", one, data=data)


def _imported(device_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    found = IdentityKey.objects.filter(device_id__in=device_ids, learnt=False)
    return dict(found.values_list("device_id", "public_key"))


def find(device_id: UUID) -> IdentityKey:
    """The imported key of this device. Raises `Refusal` NOT_FOUND."""
    found = IdentityKey.objects.filter(device_id=device_id, learnt=False).first()
    if found is None:
        raise Refusal("NOT_FOUND", "No identity key was imported for this device.")
    return found


def remove(device_id: UUID) -> None:
    """Forgets what is known of this device's key, learnt or imported. Raises `Refusal` NOT_FOUND."""
    with transaction.atomic():
        gone, _ = IdentityKey.objects.filter(device_id=device_id).delete()
        if not gone:
            raise Refusal("NOT_FOUND", "No identity key is known for this device.")
        audit.record("identity-key.removed", "identity-key", device_id)


def _another(device_id: UUID) -> Refusal:
    return Refusal(
        "CONFLICT",
        f"Another identity key is known for device {device_id}. If this one is right, remove that one first: "
        f"`manage.py identity_keys remove {device_id}`, or DELETE /v1/identity-keys/{device_id}.",
    )
