"""Who a device is: by a password, or by a token that one of its keys signed. Source: WIRE.md 1.7, 9.2.

What a sign-in proves is written down here as well: the first one with what its owner gave makes an unproven device
its owner's, and a device that used its new key needs its old one no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices import credentials, journal, passwords, proof, store, timeline
from devices.models import Credential, Device, IdentityKey
from devices.proof import Proof
from devices.status import Ownership
from devices.timeline import Entry
from pki import tokens
from pki.errors import Invalid
from pki.tokens import Token
from tenants import acting

PASSWORD_MOST = 4096
"""Characters of a password or token: more is refused before anything is computed from it."""


class NotSignedIn(Exception):
    """Nothing proves that this is the device. `reason` is a sentence for whoever builds it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotClaimed(NotSignedIn):
    """This is the device, and no tenant has claimed it."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The device it is. `until` is when a session that this opened has to end, None: it need not."""

    device_id: UUID
    blocked: bool
    until: datetime | None = None


def by_secret(device_id: str, secret: str) -> SignedIn:
    """The device with this id, by its password or a token. Raises `NotSignedIn`."""
    if len(secret) > PASSWORD_MOST:
        raise NotSignedIn(f"The password is longer than {PASSWORD_MOST} characters.")
    if secret.count(".") != 2:  # our passwords are letters and digits
        return by_password(device_id, secret)
    found = by_token(secret)
    if str(found.device_id) != device_id:
        raise NotSignedIn("The token is for another device than the user name.")
    return found


def by_password(device_id: str, secret: str) -> SignedIn:
    """The device with this id, if the secret is one of its passwords. Raises `NotSignedIn`."""
    wrong = NotSignedIn("There is no such device, or its password is another.")
    try:
        canonical = UUID(device_id)
    except ValueError:
        raise wrong from None
    if str(canonical) != device_id:
        raise wrong
    valid = _valid(canonical, Credential.Kind.PASSWORD).select_related("device")
    # Every one is compared: how long it takes does not tell which one it was.
    right = [one for one in valid if passwords.matches(secret, one.digest)]
    if not right:
        raise wrong
    device = right[0].device
    _note_credential(device, right[0])
    return SignedIn(device.id, device.blocked)


def by_token(text: str) -> SignedIn:
    """The device that the token names, if one of its keys signed it. Raises `NotSignedIn`."""
    now = timezone.now()
    try:
        token = tokens.read(text)
        device = Device.objects.select_related("tenant").filter(id=token.device_id).first()
        if device is None:
            raise _unclaimed(token)
        until = tokens.check_times(token, now, may_lack=device.tenant.jwt_without_expiry)
        required = device.tenant.jwt_audience_required
        tokens.check_audience(token, settings.KEYSEED_JWT_AUDIENCE, required)
    except Invalid as invalid:
        raise NotSignedIn(invalid.reason) from None
    _prove(device, token)
    return SignedIn(device.id, device.blocked, until)


def _unclaimed(token: Token) -> NotSignedIn:
    imported = IdentityKey.objects.filter(device_id=token.device_id, learnt=False)
    if any(tokens.signed_by(token, key.public_key) for key in imported):
        return NotClaimed("No tenant has claimed this device.")
    return NotSignedIn("No device is known that this token could be of: claim or define it first.")


def _prove(device: Device, token: Token) -> None:
    """Finds the key that signed, and writes down what that proves. Raises `NotSignedIn`."""
    given = list(_valid(device.id, Credential.Kind.PUBLIC_KEY))
    for credential in given:
        if tokens.signed_by(token, credential.public_key):
            return _note_credential(device, credential, given)
    identities = list(IdentityKey.objects.filter(device_id=device.id))
    for identity in identities:
        if tokens.signed_by(token, identity.public_key):
            return _note_identity(device, identity, identities)
    if given or identities or proof.wanted(device.tenant) is not Proof.FIRST_USE or not _learn(device, token):
        raise NotSignedIn(
            "The token's signature verifies with none of the device's keys: put its public key on it, or import "
            "its identity key."
        )
    return None


def _valid(device_id: UUID, kind: Credential.Kind) -> QuerySet[Credential]:
    return Credential.objects.filter(credentials.alive(timezone.now()), device_id=device_id, kind=kind)


# ---- what a sign-in proves; seldom anything new, so that a device that polls costs no writing


def _note_credential(device: Device, used: Credential, all: Sequence[Credential] = ()) -> None:
    if used.made_by_device:
        old = [one.id for one in all if one.expires_at is not None and one.created_at < used.created_at]
        if old:
            with transaction.atomic():
                store.lock([device.id])
                Credential.objects.filter(id__in=old).delete()
    elif device.ownership_status == Ownership.UNPROVEN and device.proved_at is None:
        _write(device, "signed in with what its owner gave it", proved_at=timezone.now())


def _note_identity(device: Device, used: IdentityKey, all: Sequence[IdentityKey]) -> None:
    if used.learnt and len(all) > 1:
        IdentityKey.objects.filter(device_id=device.id, learnt=True).exclude(id=used.id).delete()
    elif not used.learnt and device.ownership_status == Ownership.UNPROVEN:
        _write(device, "signed in with its identity key", ownership_status=Ownership.IDENTIFIED.value)


def _write(device: Device, what: str, **changes: object) -> None:
    with transaction.atomic():
        if device.id in store.lock([device.id]):
            Device.objects.filter(id=device.id).update(**changes)
            _note(device, what)


def _note(device: Device, what: str) -> None:
    """It is the device that did it."""
    data = {"what": what, "by": "the device"}
    with acting.acting(acting.of_device(device.id, device.tenant_id)):
        journal.record([Entry(device.id, timezone.now(), timeline.Kind.CHANGED, data)])


def _learn(device: Device, token: Token) -> bool:
    """Keeps the keys that may have signed the first token of a claimed device: two at most, of which nobody has one.

    It proves that the next tokens come from whoever sent the first, and nothing more.
    """
    found = tokens.candidates(token)
    if device.ownership_status != Ownership.UNPROVEN or not found:
        return False
    with transaction.atomic():
        if (
            device.id not in store.lock([device.id])
            or IdentityKey.objects.filter(device_id=device.id).exists()
        ):
            return False
        IdentityKey.objects.bulk_create(
            IdentityKey(device_id=device.id, public_key=key, learnt=True) for key in found
        )
        _note(device, "its key was learnt from its first token")
    return True
