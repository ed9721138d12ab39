"""What the simulated devices of the benchmark answer, made once: real keys and real certificate requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

POOL = 64


@dataclass(frozen=True, slots=True)
class Made:
    """One device's key and request, PEM."""

    public_key: str
    csr: str


def pool() -> list[Made]:
    """Some different keys and requests, for devices to take turns with."""
    return [_made(number) for number in range(POOL)]


def _made(number: int) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"bench-{number}")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return Made(public.decode(), csr.public_bytes(Encoding.PEM).decode())


def authority() -> str:
    """A CA certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench CA")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def requests(ca: str) -> list[dict[str, object]]:
    """The five commands of every device."""
    return [
        {"clientPrivateKeyGeneration": {"secTag": 1}},
        {"certificateSigningRequest": {"secTag": 1, "attributes": "CN=bench", "keyUsage": "101000000"}},
        {"serverCertificate": {"secTag": 1, "content": ca}},
        {"config": {"interval": "60", "server": "mqtt.example.com"}},
        {"finished": {}},
    ]
