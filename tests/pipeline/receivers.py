"""Receivers of webhooks: real TLS servers with a CA of their own, good ones and all sorts of bad ones."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[socket.socket], None]

HERE = ("127.0.0.1", "127.0.0.2", "::1", "hooks.example.com")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Authority:
    """A CA, with its file, that issues to any names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own CA")])
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(self._signed(self._name, self._key, x509.BasicConstraints(True, None))))

    def server(self, *names: str) -> ssl.SSLContext:
        """What a server of these names and addresses answers with."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([_general(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
        plain = key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
        path = self._folder / f"{x509.random_serial_number()}.pem"
        path.write_bytes(_pem(self._signed(subject, key, alternative)) + plain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(ser.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Heard:
    """One request as it came; header names are in lower case."""

    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """Listens on its own port of one address; `behave` answers, once the request was read."""

    behave: Behaviour
    tls: ssl.SSLContext | None
    address: str = "127.0.0.1"
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listening = socket.create_server(
            (self.address, 0), family=socket.AF_INET6 if ":" in self.address else socket.AF_INET
        )
        self.port: int = self._listening.getsockname()[1]
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"https://{host}:{self.port}/hook?from=keyseed"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one.event for one in self.heard]

    def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Until it has heard so many requests."""
        end = time.monotonic() + seconds
        while len(self.heard) < count:
            assert time.monotonic() < end, f"only {len(self.heard)} of {count}"
            time.sleep(0.01)

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(plain,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with plain, suppress(OSError, ValueError):
            if self.tls is None:
                self.behave(plain)
                return
            with self.tls.wrap_socket(plain, server_side=True) as stream:
                self.heard.append(_read(stream))
                self.behave(stream)


def _read(stream: socket.socket) -> Heard:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := stream.recv(4096)):
            raise ValueError("it ended within the head")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += stream.recv(4096)
    return Heard(first, headers, body)


@contextmanager
def receiver(behave: Behaviour, tls: ssl.SSLContext | None, address: str = "127.0.0.1") -> Iterator[Receiver]:
    """One that ends with the block."""
    made = Receiver(behave, tls, address)
    try:
        yield made
    finally:
        made.close()


# ---- how they behave


def says(answer: bytes) -> Behaviour:
    """Answers so, whatever comes."""
    return lambda stream: stream.sendall(answer)


def status(code: int, *headers: str) -> Behaviour:
    """Answers with this status and nothing else."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return says(f"HTTP/1.1 {code} So\r\n{lines}Content-Length: 0\r\n\r\n".encode())


def then(*one_by_one: Behaviour) -> Behaviour:
    """One after the other, and the last one for good."""
    left = list(one_by_one)

    def behave(stream: socket.socket) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(stream)

    return behave


def sleeps(stream: socket.socket) -> None:
    """Answers after half a minute, if anybody still listens."""
    time.sleep(30)
    stream.sendall(OK)


def drips(stream: socket.socket) -> None:
    """A byte, a moment, a byte: no single wait is long."""
    for byte in OK * 1000:
        stream.sendall(bytes((byte,)))
        time.sleep(0.4)


def drips_body(stream: socket.socket) -> None:
    """The same behind a head that came at once."""
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drips(stream)
