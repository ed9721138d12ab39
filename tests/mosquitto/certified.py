"""Devices with certificates that Keyseed issued, as a Mosquitto sees them that takes these: over real TLS."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db import transaction
from django.utils import timezone

from devices import credentials
from pki import device_ca
from tests.conftest import MOSQUITTO_CONF
from tests.mosquitto.clients import Session
from tests.mosquitto.conftest import Installation, Owned
from tests.pipeline.cast import WHO
from tests.pki.make import issue, p256
from tests.servers import ports
from tests.servers.mosquitto import CONNECT

SECONDS = 2.0
TLS = 8884
"""The listener of docker/mosquitto.conf."""


def opened() -> str:
    """The shipped configuration with its block for certificates opened."""
    text = MOSQUITTO_CONF.read_text()
    block = re.search(rf"^# listener {TLS}\n(?:# \w+ \S+\n)+", text, re.MULTILINE)
    assert block
    return text.replace(block[0], re.sub("^# ", "", block[0], flags=re.MULTILINE))


def prepare(folder: Path) -> None:
    """Puts there what Mosquitto does not start without: its own certificate, and a device CA until the first `fill`."""
    now = timezone.now()
    server = issue("localhost", ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=1))
    save(folder / "fullchain.pem", server.certificate)
    save_key(folder / "privkey.pem", server.key)
    ca, key = device_ca.make_ca(now)
    save(folder / "device_ca.pem", ca)
    (folder / "crl.pem").write_text(device_ca.crl(ca, key, [], 1, now, now + timedelta(days=1)))


def save(path: Path, *found: x509.Certificate) -> None:
    path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in found))


def save_key(path: Path, key: object) -> None:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@dataclass(frozen=True)
class Certified:
    """A device with a key and a certificate; what it shows of itself is in `folder`."""

    owned: Owned
    installation: Installation
    folder: Path
    credential: UUID | None = None

    @property
    def id(self) -> str:
        return self.owned.id

    @property
    def context(self) -> ssl.SSLContext:
        context = trusting(self.installation)
        context.load_cert_chain(self.folder / "chain.pem", self.folder / "key.pem")
        return context

    def session(self, client_id: str = "any", version: str = "5") -> Session:
        made = Session(self.installation.broker.ports[TLS], None, None, client_id, version)
        made.client.tls_set_context(self.context)
        return made

    @contextmanager
    def signed_in(self, *filters: str, version: str = "5") -> Iterator[Session]:
        session = self.session(version=version)
        assert session.open(), session.answer
        try:
            if filters:
                session.subscribe(*filters)
            yield session
        finally:
            session.close()

    def refused(self) -> str:
        """What it is told, empty where it is let in."""
        return told(self.installation, self.context)

    def let_in(self) -> bool:
        """Whether it gets in in time, as it tries again and again."""
        return eventually(lambda: not self.refused())

    def shut_out(self) -> bool:
        """Whether it is refused in time."""
        return eventually(lambda: bool(self.refused()))


def trusting(installation: Installation) -> ssl.SSLContext:
    """A client that knows the broker and shows nothing of itself."""
    context = ssl.create_default_context(cafile=str(installation.broker.folder / "fullchain.pem"))
    context.check_hostname = False
    return context


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def told(installation: Installation, context: ssl.SSLContext) -> str:
    """What TLS or MQTT says to a CONNECT, empty where it lets in."""
    try:
        raw = socket.create_connection((ports.HOST, installation.broker.ports[TLS]))
        with context.wrap_socket(raw) as secured:
            secured.settimeout(SECONDS)
            secured.sendall(CONNECT)
            return "" if secured.recv(4) == b"\x20\x02\x00\x00" else "no CONNACK"
    except OSError as error:
        return str(error)


def request(key: ec.EllipticCurvePrivateKey, name: str = "any") -> str:
    """A signing request that asks for more than it gets."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def certify(
    owned: Owned, installation: Installation, folder: Path, overlap: int = 0, name: str = "any"
) -> Certified:
    """The device with a certificate that its owner orders now."""
    key = p256()
    folder.mkdir(parents=True)
    with transaction.atomic():
        made = credentials.add_certificate(
            owned.device.tenant_id, owned.device.id, request(key, name), 30, overlap, WHO
        )
    (folder / "chain.pem").write_text(made.credential.certificate)
    save_key(folder / "key.pem", key)
    return Certified(owned, installation, folder, made.credential.id)
