"""What a simulated fleet's owner puts on devices: command lists with real keys and certificates in them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

CommandBody = Mapping[str, Any]

CLOUD_TAG, OWN_TAG, HANDED_TAG = 1, 2, 3
KEY_USAGE = "101010000"  # digitalSignature, keyEncipherment, keyAgreement


class Authority:
    """A P-256 certificate authority made on the spot and kept in memory. `lifetime` is that of its leaves."""

    def __init__(self, lifetime: timedelta = timedelta(days=365)) -> None:
        self.lifetime = lifetime
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Simulated fleet CA")
        self.certificate = (
            _certificate(self.name, self.name, self.key.public_key(), 10 * lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return _pem(self.certificate)

    def issue(self, subject: x509.Name, key: CertificatePublicKeyTypes) -> str:
        """A client certificate, PEM."""
        builder = _certificate(subject, self.name, key, self.lifetime)
        leaf = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        return _pem(leaf.sign(self.key, hashes.SHA256()))

    def sign(self, csr: str) -> str:
        """The certificate that a CSR asks for, PEM. Raises ValueError if its own key did not sign it."""
        request = x509.load_pem_x509_csr(csr.encode())
        if not request.is_signature_valid:
            raise ValueError("the CSR is not signed with its own key")
        return self.issue(request.subject, request.public_key())


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device is given at first, and once its CSR is there (None: it is asked for no CSR)."""

    first: Sequence[CommandBody]
    after_csr: Sequence[CommandBody] | None


def plan(index: int, device: str, authority: Authority) -> Plan:
    """Every second device makes its own key and gets a command of every type; the others are handed a key."""
    if index % 2:
        return Plan((*_handed_key(device, authority), *_settings(index), _command("finished")), None)
    first = (
        _command("cloudAccessKeyGeneration", secTag=CLOUD_TAG),
        _command("clientPrivateKeyGeneration", secTag=OWN_TAG),
        _command(
            "certificateSigningRequest",
            secTag=OWN_TAG,
            attributes=f"CN={device},O=Simulated fleet",
            keyUsage=KEY_USAGE,
        ),
    )
    after = (*_handed_key(device, authority), *_settings(index), _command("finished"))
    return Plan(first, after)


def client_certificate(csr: str, authority: Authority) -> CommandBody:
    """The answer to the CSR of a plan. Raises ValueError as `Authority.sign` does."""
    return _command("clientCertificate", secTag=OWN_TAG, content=authority.sign(csr))


def _handed_key(device: str, authority: Authority) -> tuple[CommandBody, ...]:
    key = ec.generate_private_key(ec.SECP256R1())
    password = secrets.token_urlsafe(16)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    leaf = authority.issue(_name(device), key.public_key())
    return (
        _command("serverCertificate", secTag=HANDED_TAG, content=authority.pem),
        _command("clientPrivateKey", secTag=HANDED_TAG, content=sealed.decode(), password=password),
        _command("clientCertificate", secTag=HANDED_TAG, content=leaf),
    )


def _settings(index: int) -> tuple[CommandBody, ...]:
    return (
        _command("preSharedKey", secTag=CLOUD_TAG, identity=f"device-{index}", secret=secrets.token_hex(32)),
        _command("config", server="coap.example.com", port="5684", interval=str(60 + index)),
    )


def _command(kind: str, **params: object) -> CommandBody:
    return {"description": f"simulated {kind}", "request": {kind: params}}


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # The two clocks need not agree to the minute.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + lifetime)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
