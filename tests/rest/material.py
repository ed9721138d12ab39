"""Keys and certificates as an owner sends them."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from tests.pki.make import SAMPLES, Issued, issue


def public_pem(key: EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def authority() -> Issued:
    """A CA that is valid today."""
    now = timezone.now()
    return issue("Root", ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=1))


def encrypted_key() -> str:
    """A private key whose password is `sesame`."""
    return (SAMPLES / "default.pem").read_text()
