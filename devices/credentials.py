"""A device's credentials: made, replaced, revoked, checked. The broker hears of it through the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices import certificates, journal, outbox, passwords, store, timeline
from devices.field_keys import sealer
from devices.models import Credential, Device
from devices.status import ProvisioningState
from devices.timeline import Entry
from pki import requests
from pki.errors import Invalid
from tenants.errors import Refusal, invalid

OVERLAP_MOST = 7 * 24 * 3600
"""Seconds for which an old credential may stay beside a new one."""

SEALED = "password"
"""Under which name the outbox's sealed secret holds a new password, for a broker that cannot be told a hash."""

CLOUD_KEY_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Made:
    """A new credential; `secret` is known now and never again."""

    credential: Credential
    secret: str | None = None


def check_overlap(overlap: int) -> None:
    """Raises `Refusal` where the broker keeps one password a device: the old one would open nothing any more."""
    if overlap and (settings.KEYSEED_MOSQUITTO_DIR or settings.KEYSEED_MOSQUITTO_DYNSEC):
        raise invalid(
            "overlap",
            "This installation's broker keeps one password a device, so the old one cannot stay beside the new: "
            "send 0, and bring the new one to the device by another way than its MQTT session.",
        )


def add_password(tenant_id: UUID, device_id: UUID, overlap: int, by: str) -> Made:
    """A new password for a device of this tenant; the old ones die after `overlap` seconds, 0: at once."""
    secret = passwords.new()
    made = _add(tenant_id, device_id, Credential.Kind.PASSWORD, overlap, by, digest=passwords.digest(secret))
    if settings.KEYSEED_MOSQUITTO_DYNSEC:
        sealed = sealer().seal({SEALED: secret})
        outbox.put(outbox.Kind.CREDENTIALS, [device_id], made.created_at, secret=sealed)
    return Made(made, secret)


def add_public_key(tenant_id: UUID, device_id: UUID, key: str, overlap: int, by: str) -> Made:
    """The public key, PEM or modem style, by which this device proves itself. Raises `Refusal`."""
    try:
        pem = requests.public_key_pem(key)
    except Invalid as wrong:
        raise invalid("publicKey", wrong.reason) from None
    return Made(_add(tenant_id, device_id, Credential.Kind.PUBLIC_KEY, overlap, by, public_key=pem))


def add_certificate(tenant_id: UUID, device_id: UUID, csr: str, days: int, overlap: int, by: str) -> Made:
    """A certificate of the device CA for the key of this request, PEM or modem style; the old ones are revoked.

    Raises `Refusal`: CLAIM_UNPROVEN where the device may be anybody's, INVALID for `csr`.
    """
    now = timezone.now()
    if store.lock_one(tenant_id, device_id).unproven:
        raise Refusal(
            "CLAIM_UNPROVEN",
            "Nothing proves yet that this device is yours, so it gets no certificate. Put its public key on it with "
            "the kind publicKey and let it sign in once, or ask the operator to import its identity key.",
        )
    issued = certificates.issue(device_id, csr, days, now)
    proof = {"certificate": issued.pem, "serial": issued.serial, "expires_at": issued.expires_at}
    return Made(_add(tenant_id, device_id, Credential.Kind.CERTIFICATE, overlap, by, **proof))


def _add(
    tenant_id: UUID, device_id: UUID, kind: Credential.Kind, overlap: int, by: str, **proof: object
) -> Credential:
    now = timezone.now()
    store.lock_one(tenant_id, device_id)
    old, ends_in = Q(device_id=device_id, kind=kind), timedelta(seconds=overlap)
    if kind == Credential.Kind.CERTIFICATE:
        certificates.revoke(old, now + ends_in)
    gone = _retire(old, now, ends_in)
    made = Credential.objects.create(device_id=device_id, kind=kind, created_at=now, **proof)
    _activate([device_id])
    _changed(device_id, now, {"what": "credential added", "credential": str(made.id), "by": by})
    if kind != Credential.Kind.PUBLIC_KEY:
        _end_sessions(device_id, now, overlap, gone)
    return made


def revoke(tenant_id: UUID, device_id: UUID, credential_id: UUID, by: str) -> None:
    """The credential is gone, and so is the session that it opened. Raises `Refusal` NOT_FOUND."""
    now = timezone.now()
    store.lock_one(tenant_id, device_id)
    certificates.revoke(Q(device_id=device_id, id=credential_id), now)
    gone, _ = Credential.objects.filter(device_id=device_id, id=credential_id).delete()
    if not gone:
        raise Refusal("NOT_FOUND", "The device has no such credential. List them with GET …/credentials.")
    _changed(device_id, now, {"what": "credential revoked", "credential": str(credential_id), "by": by})
    outbox.put(outbox.Kind.KICK, [device_id], now)


def register_keys(keys: Sequence[tuple[UUID, str]], at: datetime) -> None:
    """Public keys that devices made by `cloudAccessKeyGeneration`; their rows are held.

    The old key stays for 24 hours, in case the device never comes back with the new one.
    """
    if not keys:
        return
    ids = [device_id for device_id, _ in keys]
    newest = dict(keys)
    _retire(Q(device_id__in=ids, kind=Credential.Kind.PUBLIC_KEY), at, CLOUD_KEY_OVERLAP)
    Credential.objects.bulk_create(
        Credential(
            device_id=device_id,
            kind=Credential.Kind.PUBLIC_KEY,
            created_at=at,
            public_key=requests.public_key_pem(key),
            made_by_device=True,
        )
        for device_id, key in newest.items()
    )
    _activate(ids)


def valid_passwords() -> Mapping[str, str]:
    """By device id, the stored form of the newest valid password of every device that is not blocked."""
    found = _valid(timezone.now()).filter(device__blocked=False).order_by("created_at")
    return {
        str(device_id): digest for device_id, digest in found.values_list("device_id", "digest").iterator()
    }


def alive(now: datetime) -> Q:
    """Which credentials have not ended by then."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=now)


def _valid(now: datetime) -> QuerySet[Credential]:
    return Credential.objects.filter(alive(now), kind=Credential.Kind.PASSWORD)


def _retire(old: Q, now: datetime, overlap: timedelta) -> int:
    """Ends these credentials, now or when the overlap is over; how many there were."""
    found = Credential.objects.filter(old)
    if not overlap:
        return found.delete()[0]
    ends = now + overlap
    return found.filter(alive(ends)).update(expires_at=ends)


def _end_sessions(device_id: UUID, now: datetime, overlap: int, gone: int) -> None:
    """The sessions that an old password or certificate opened end with it, and no broker lets it in any more."""
    if not gone:
        return
    due = now + timedelta(seconds=overlap)
    if overlap:
        outbox.put(outbox.Kind.CREDENTIALS, [device_id], now, due)
    outbox.put(outbox.Kind.KICK, [device_id], now, due)


def _activate(ids: Collection[UUID]) -> None:
    defined = Device.objects.filter(id__in=ids, provisioning_state=ProvisioningState.DEFINED)
    defined.update(provisioning_state=ProvisioningState.ACTIVATED)


def _changed(device_id: UUID, now: datetime, data: Mapping[str, object]) -> None:
    journal.record([Entry(device_id, now, timeline.Kind.CHANGED, data)])
    outbox.put(outbox.Kind.CREDENTIALS, [device_id], now)
