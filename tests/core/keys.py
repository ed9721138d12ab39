"""Real keys, requests and certificates, made once."""

from __future__ import annotations

import base64
from datetime import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.core.lists import NOW, SECOND

DAY = 86_400 * SECOND


@cache
def key(number: int) -> ec.EllipticCurvePrivateKey:
    """The key with this number."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


@cache
def public_key(number: int) -> str:
    """Its public key, PEM."""
    public = key(number).public_key()
    return public.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def spki(number: int) -> bytes:
    """The same, DER."""
    return key(number).public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


@cache
def csr(number: int, encoding: ser.Encoding = ser.Encoding.PEM) -> bytes:
    """A request for it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(f"device-{number}"))
    return builder.sign(key(number), hashes.SHA256()).public_bytes(encoding)


def csr_pem(number: int) -> str:
    """A request for it, PEM."""
    return csr(number).decode()


def modem(der: bytes) -> str:
    """The same modem style: what is behind the dot attests what is before it."""
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (der, b"\xd2\x84"))


def certificate(
    number: int, authority: bool = False, begin: datetime = NOW - DAY, end: datetime = NOW + DAY
) -> str:
    """A self-signed certificate for it, PEM."""
    name = _name(f"certificate-{number}")
    builder = x509.CertificateBuilder(
        name, name, key(number).public_key(), 1 + number, begin, end
    ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return builder.sign(key(number), hashes.SHA256()).public_bytes(ser.Encoding.PEM).decode()


@cache
def encrypted(number: int, password: str) -> str:
    """The private key, PKCS#8 PEM, which the password opens."""
    scheme = ser.BestAvailableEncryption(password.encode())
    return key(number).private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, scheme).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
