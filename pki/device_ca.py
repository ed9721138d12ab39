"""The CA whose certificates name a device and nothing else: what a broker may trust that reads the CN alone.

What a request asks for, its name and its extensions, is never looked at: only its key is taken. No clock is read here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki import requests

DAYS, DAYS_MOST = 365, 825
YEARS = 10
SKEW = timedelta(minutes=5)
"""How far a device's or a broker's clock may be behind ours."""

_SERIAL_BITS = 128


class Reason(Enum):
    """Why a certificate opens nothing. HELD: its device is blocked; the entry goes when the block does."""

    HELD = x509.ReasonFlags.certificate_hold
    SUPERSEDED = x509.ReasonFlags.superseded
    ENDED = x509.ReasonFlags.cessation_of_operation


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry of a revocation list."""

    serial: int
    at: datetime
    reason: Reason


def make_ca(now: datetime, years: int = YEARS) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A new CA on P-256 with a name of its own, for certificates of devices and no CAs below it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Keyseed device CA {secrets.token_hex(4)}")
    builder = _builder(name, name, now - SKEW, now + timedelta(days=365 * years)).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, SHA256()), key


def issue(
    ca: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    csr: str,
    device_id: UUID,
    now: datetime,
    days: int = DAYS,
) -> x509.Certificate:
    """A certificate with `CN = device_id` for the key of a request, PEM or modem style. Raises Invalid.

    It ends after `days` (1 to `DAYS_MOST`, else ValueError), and never after the CA.
    """
    if not 1 <= days <= DAYS_MOST:
        raise ValueError(f"a certificate is for 1 to {DAYS_MOST} days, not {days}")
    owner = requests.read_csr(csr).public_key()
    begin = max(now - SKEW, ca.not_valid_before_utc)
    end = min(now + timedelta(days=days), ca.not_valid_after_utc)
    builder = _builder(_name(str(device_id)), ca.subject, begin, end).public_key(owner)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(purpose, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(owner), critical=False)
    return builder.add_extension(_authority(ca), critical=False).sign(key, SHA256())


def crl(
    ca: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    revoked: Iterable[Revoked],
    number: int,
    now: datetime,
    next: datetime,
) -> str:
    """The CA's revocation list as PEM. Each serial stands in it once at most."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject)
    builder = builder.last_update(now).next_update(next)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(_authority(ca), critical=False)
    for one in revoked:
        builder = builder.add_revoked_certificate(_entry(one))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def read_lists(text: str) -> list[x509.CertificateRevocationList]:
    """The revocation lists in a PEM text, in their order. Raises ValueError for one that cannot be read."""
    end = "-----END X509 CRL-----"
    parts = [part for part in text.split(end) if part.strip()]
    return [x509.load_pem_x509_crl(f"{part}{end}\n".encode()) for part in parts]


def says(
    found: x509.CertificateRevocationList, ca: x509.Certificate, revoked: Iterable[Revoked], now: datetime
) -> bool:
    """Whether this list is the CA's, is still valid, and has these entries and no others, whatever their times."""
    key, end = ca.public_key(), found.next_update_utc
    assert isinstance(key, ec.EllipticCurvePublicKey)
    if found.issuer != ca.subject or end is None or end <= now or not found.is_signature_valid(key):
        return False
    entries = {
        (entry.serial_number, entry.extensions.get_extension_for_class(x509.CRLReason).value.reason)
        for entry in found
    }
    return entries == {(one.serial, one.reason.value) for one in revoked}


def hexadecimal(serial: int) -> str:
    """A serial number as OpenSSL prints it, in lower case."""
    return serial.to_bytes((serial.bit_length() + 7) // 8).hex()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(secrets.randbits(_SERIAL_BITS) or 1)
    return builder.not_valid_before(begin).not_valid_after(end)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _entry(one: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
    return builder.add_extension(x509.CRLReason(one.reason.value), critical=False).build()
