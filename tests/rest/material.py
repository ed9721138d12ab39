"""Keys and certificates as an owner sends them."""

from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from django.utils import timezone

from tests.pki.make import SAMPLES, Issued, issue, rsa_key


def public_pem(key: EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def authority() -> Issued:
    """A CA that is valid today."""
    now = timezone.now()
    return issue("Root", ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=1))


def encrypted_key() -> str:
    """A private key whose password is `sesame`."""
    return (SAMPLES / "default.pem").read_text()


@cache
def root(length: int = 1188) -> str:
    """A root CA of so many characters; the best known one that devices trust has 1188."""
    key, now = rsa_key(), timezone.now()
    for filler in range(1, 64):
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, "Example Root CA 1"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x" * filler),
            ]
        )
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        made = made.not_valid_after(now + timedelta(days=365))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        pem = made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
        if len(pem) == length:
            return pem
    raise AssertionError("no name makes it so long")
