"""Certificates by which devices sign in at a broker: the device CA that issues them, and what it takes back.

A broker that knows a device by its certificate's CN trusts this CA and no other: it gives each device its own id as
CN, whatever was asked for, and its key is held here only. Certificates of tenants' CAs are for other uses.

A certificate is taken back by a row of its own, which outlives its credential and its device. `lists` is what brokers
are told; the outbox says when.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from devices import outbox
from devices.field_keys import sealer
from devices.models import Credential, DeviceCA, RevokedCertificate
from pki import device_ca
from pki.device_ca import Reason, Revoked
from pki.errors import Invalid
from tenants.errors import invalid

FORGET_AFTER = timedelta(days=1)
_LOCK = zlib.crc32(b"keyseed device ca")


@dataclass(frozen=True, slots=True)
class Issued:
    """A device's certificate: `pem` has it and the CA behind it."""

    pem: str
    serial: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The device CA, opened; `row` is where it is stored."""

    row: DeviceCA
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def issue(device_id: UUID, csr: str, days: int, now: datetime) -> Issued:
    """A certificate for this device and the request's key. Raises `Refusal` that names `csr`."""
    ca = _opened(_newest(now) or _first(now))
    try:
        made = device_ca.issue(ca.certificate, ca.key, csr, device_id, now, days)
    except Invalid as wrong:
        raise invalid("csr", wrong.reason) from None
    serial = device_ca.hexadecimal(made.serial_number)
    return Issued(_pem(made) + ca.row.certificate, serial, made.not_valid_after_utc)


def revoke(credentials: Q, at: datetime) -> None:
    """Takes back, from `at` on, the certificates among these credentials; their devices' rows are held.

    What ends earlier already stays as it is.
    """
    found = Credential.objects.filter(credentials, kind=Credential.Kind.CERTIFICATE)
    rows = list(found.values_list("serial", "device_id", "certificate"))
    if not rows:
        return
    serials = [serial for serial, _, _ in rows]
    earlier = RevokedCertificate.objects.filter(serial__in=serials, revoked_at__lte=at)
    kept = set(earlier.values_list("serial", flat=True))
    RevokedCertificate.objects.bulk_create(
        [
            RevokedCertificate(serial=serial, device_id=device_id, revoked_at=at, expires_at=_end(pem))
            for serial, device_id, pem in rows
            if serial not in kept
        ],
        update_conflicts=True,
        unique_fields=["serial"],
        update_fields=["revoked_at"],
    )


def run_out(credentials: QuerySet[Credential], now: datetime) -> Collection[UUID]:
    """The devices whose certificates among these ended by themselves: TLS refuses them, and a live session goes on.

    Those that were taken back are left out: their sessions have ended. These are taken back as well, so that `holders`
    knows of them.
    """
    known = RevokedCertificate.objects.filter(serial=OuterRef("serial"))
    found = credentials.filter(kind=Credential.Kind.CERTIFICATE).exclude(Exists(known))
    rows = list(found.values_list("id", "device_id"))
    revoke(Q(id__in=[id for id, _ in rows]), now)
    return {device_id for _, device_id in rows}


def holders(device_ids: Collection[UUID]) -> Collection[UUID]:
    """Those of these devices whose session a certificate may have opened."""
    found = Credential.objects.filter(kind=Credential.Kind.CERTIFICATE, device_id__in=device_ids)
    gone = RevokedCertificate.objects.filter(device_id__in=device_ids)
    return {*found.values_list("device_id", flat=True), *gone.values_list("device_id", flat=True)}


def forget(now: datetime) -> None:
    """Drops what was taken back and has expired since, a day ago: a broker's clock may be behind ours."""
    RevokedCertificate.objects.filter(expires_at__lt=now - FORGET_AFTER).delete()


def rotate(now: datetime) -> DeviceCA:
    """A new device CA, which issues from now on. What the old ones issued stays good; brokers are told."""
    with transaction.atomic():
        _hold()
        made = _make(now)
        outbox.put(outbox.Kind.CREDENTIALS, [None], now)
    return made


# ---- what brokers are told


def authorities(now: datetime) -> Sequence[DeviceCA]:
    """Every device CA that has not ended, newest first. There is one at least: the first is made here if need be."""
    return list(_living(now)) or [_first(now)]


def trusted(now: datetime) -> str:
    """The certificates of all of them, as PEM."""
    return "".join(row.certificate for row in authorities(now))


def lists(now: datetime, known: str = "") -> str:
    """The revocation lists of all of them, as PEM. A list in `known` that says the same stays as it is.

    Each has what any of the CAs has taken back: no two certificates share a serial number. A list is good until its CA
    ends, because one that runs out would lock out the whole fleet; and it is dated back, because Mosquitto lets nobody
    in while a list is of the future by its clock.
    """
    revoked = _revoked(now)
    texts = []
    for row in authorities(now):
        ca = _opened(row)
        same = next((one for one in _read(known) if device_ca.says(one, ca.certificate, revoked, now)), None)
        texts.append(_new_list(ca, revoked, now) if same is None else _text(same))
    return "".join(texts)


def _new_list(ca: Authority, revoked: Iterable[Revoked], now: datetime) -> str:
    rows = DeviceCA.objects.filter(id=ca.row.id)
    with transaction.atomic():
        rows.update(crl_number=F("crl_number") + 1)
        number = rows.values_list("crl_number", flat=True).get()
    begin, end = now - device_ca.SKEW, ca.certificate.not_valid_after_utc
    return device_ca.crl(ca.certificate, ca.key, revoked, number, begin, end)


def _revoked(now: datetime) -> list[Revoked]:
    """What opens nothing now: what was taken back, and what blocked devices have."""
    others = Credential.objects.filter(device_id=OuterRef("device_id"), kind=Credential.Kind.CERTIFICATE)
    others = others.exclude(serial=OuterRef("serial"))
    ended = RevokedCertificate.objects.filter(revoked_at__lte=now).annotate(replaced=Exists(others))
    found = {
        serial: Revoked(int(serial, 16), at, Reason.SUPERSEDED if replaced else Reason.ENDED)
        for serial, at, replaced in ended.values_list("serial", "revoked_at", "replaced")
    }
    held = Credential.objects.filter(kind=Credential.Kind.CERTIFICATE, device__blocked=True)
    for serial in held.values_list("serial", flat=True):
        found.setdefault(serial, Revoked(int(serial, 16), now, Reason.HELD))
    return list(found.values())


def _read(text: str) -> list[x509.CertificateRevocationList]:
    try:
        return device_ca.read_lists(text)
    except ValueError:
        return []


# ---- the CA


def _living(now: datetime) -> QuerySet[DeviceCA]:
    return DeviceCA.objects.filter(ends_at__gt=now).order_by("-id")


def _newest(now: datetime) -> DeviceCA | None:
    return _living(now).first()


def _first(now: datetime) -> DeviceCA:
    """The CA that another one made while this one waited, else a new one."""
    with transaction.atomic():
        _hold()
        return _newest(now) or _make(now)


def _hold() -> None:
    """Until the transaction ends nobody else makes a CA. SQLite has one writer at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _make(now: datetime) -> DeviceCA:
    certificate, key = device_ca.make_ca(now)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return DeviceCA.objects.create(
        certificate=_pem(certificate),
        private_key=sealer().seal({"key": plain}),
        created_at=now,
        ends_at=certificate.not_valid_after_utc,
    )


def _opened(row: DeviceCA) -> Authority:
    """Raises `pki.sealing.CannotOpen` where the field key is not configured."""
    plain = sealer().open(row.private_key)["key"]
    key = load_pem_private_key(plain.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(row, x509.load_pem_x509_certificate(row.certificate.encode()), key)


def _end(pem: str) -> datetime:
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _text(found: x509.CertificateRevocationList) -> str:
    return found.public_bytes(Encoding.PEM).decode()
