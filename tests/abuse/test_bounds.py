"""The largest and nastiest input at every door of a `standalone`: refused or taken soon, in bounded memory.

Figures are of the whole process: its CPU seconds and its resident memory. The doors of MQTT are in tests/embedded
(test_hostile_bytes.py), the readers alone in tests/wire/test_hostile_messages.py, tests/pki and scripts/fuzz.
"""

import contextlib
import gzip
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from provisioning.embedded import web
from tests.pki import make
from tests.standalone.installation import API_KEY, Installation
from tests.standalone.rest import JSON, Owner

MIB = 1024 * 1024
CSV = "text/csv"
DEVICES = "/v1/claimed-devices"
GROWTH = 64 * MIB
"""Resident bytes that one request may leave behind. The first ones load code; a body is held three times over."""

ALL_GROWTH = 192 * MIB
"""And all of this file together."""

CPU = 2.0
"""Seconds of the processor for one request, where nothing else is said."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that counts no requests."""
    settings = {"KEYSEED_KEY_RATE": "0", "KEYSEED_STRANGER_RATE": "0"}
    with Installation(tmp_path_factory.mktemp("bounds") / "data", settings=settings) as running:
        Owner(running.http, API_KEY).post(DEVICES, {"name": "first"}).made()
        before = running.memory()
        yield running
        assert running.memory() - before < ALL_GROWTH


@pytest.fixture(scope="module")
def owner(service: Installation) -> Owner:
    return Owner(service.http, API_KEY)


@pytest.fixture(scope="module")
def commands(owner: Owner) -> str:
    """The address of a device's list."""
    return f"{DEVICES}/{owner.post(DEVICES, {}).made()['id']}/provisioning"


@contextmanager
def bounded(service: Installation, cpu: float = CPU, growth: int = GROWTH) -> Iterator[None]:
    """Fails where what happens within costs the service more."""
    used, memory, said = cpu_seconds(service), service.memory(), len(service.said())
    yield
    assert cpu_seconds(service) - used < cpu
    assert service.memory() - memory < growth
    assert "Traceback" not in service.said()[said:]


def cpu_seconds(service: Installation) -> float:
    """What it has used of the processor since it began."""
    assert service.process is not None
    # Of /proc/PID/stat, behind the name in brackets: utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def config(value: Any) -> bytes:
    return json.dumps({"request": {"config": value}}).encode()


COLLIDING = {str(number): "x" for number in range(10_000)}
BODIES: dict[str, tuple[bytes, set[int]]] = {
    "a byte over 1 MiB": (config({"a": ""}) + b" " * MIB, {413}),
    "nearly 2 MiB": (b"[" * (2 * MIB - 1), {413}),
    "1 MiB of open lists": (b"[" * MIB, {400}),
    "1 MiB of open objects": (b'{"a":' * (MIB // 5), {400}),
    "closed lists, 100,000 deep": (b'{"request":' + b"[" * 100_000 + b"]" * 100_000 + b"}", {400}),
    "17 levels": (b'{"request":' + b"[" * 16 + b"]" * 16 + b"}", {400}),
    "10,000 keys": (config(COLLIDING), {400}),
    "100,000 empty objects": (b'{"request":[' + b"{}," * 100_000 + b"{}]}", {400}),
    "an integer of 1 MiB": (b'{"request":' + b"9" * (MIB - 100) + b"}", {400}),
    "a float of 1 MiB": (b'{"request":0.' + b"9" * (MIB - 100) + b"}", {400}),
    "an exponent of 1 MiB": (b'{"request":1e' + b"9" * (MIB - 100) + b"}", {400}),
    "a text of 1 MiB": (config({"a": "x" * (MIB - 100)}), {400}),
    "1 MiB of escapes": (b'{"request":"' + b"\\u0041" * (MIB // 6 - 10) + b'"}', {400}),
    "half surrogate pairs": (b'{"request":"' + b"\\ud800" * 100_000 + b'"}', {400}),
    "one key 50,000 times": (b"{" + b'"a":1,' * 50_000 + b'"a":1}', {400}),
    "10,000 commands": (json.dumps({"commands": [{}] * 10_000}).encode(), {400}),
}


@pytest.mark.parametrize(("raw", "statuses"), BODIES.values(), ids=BODIES.keys())
def test_a_body(service: Installation, owner: Owner, commands: str, raw: bytes, statuses: set[int]) -> None:
    with bounded(service):
        for path in (commands, f"{commands}/batch"):
            answer = owner.send("POST", path, raw, {"Content-Type": JSON})
            assert answer.status in statuses, answer.content


@pytest.mark.parametrize("kind", [JSON, CSV])
def test_bodies_do_not_stay(service: Installation, owner: Owner, commands: str, kind: str) -> None:
    """120 of 1 MiB: what they leave behind is collected in time."""
    path = commands if kind == JSON else DEVICES
    with bounded(service, cpu=10, growth=64 * MIB):
        for _ in range(120):
            owner.send("POST", path, b"[" * (MIB - 1), {"Content-Type": kind})


def test_a_body_that_grows_beyond_2_mib(service: Installation) -> None:
    """The server ends it, whoever sends; the answer may be lost to who goes on sending."""
    head = f"POST {DEVICES} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {64 * MIB}\r\n\r\n"
    with bounded(service), socket.create_connection(("127.0.0.1", service.http), timeout=10) as raw:
        raw.sendall(head.encode())
        with pytest.raises(ConnectionError):
            raw.sendall(b" " * 64 * MIB)


TOLD = {202, 400, 409, 413}
"""Taken, with what is wrong in each row told later; or refused as a whole, for what is in it or how much."""

FILES: dict[str, bytes] = {
    "one line of 1 MiB": b"a" * (MIB - 100),
    "a million commas": b"," * 1_000_000,
    "1 MiB of quotation marks": b'"' * (MIB - 101),
    "a quotation mark never closed": b'"' + b"a,\n" * 340_000,
    "a quotation mark on every line": b'"a\n' * 340_000,
    "340,000 rows": b"a,\n" * 340_000,
    "a million empty rows": b"\n" * 1_000_000,
    "a thousand rows of 300 cells": (b"a," * 300 + b"\n") * 1_000,
    "nearly 2 MiB": b"a" * (2 * MIB - 1),
}


@pytest.mark.parametrize("path", [DEVICES, f"{DEVICES}/bulk", "/v1/devices", "/v1/identity-keys"])
@pytest.mark.parametrize("raw", FILES.values(), ids=FILES.keys())
def test_a_csv_file(service: Installation, owner: Owner, path: str, raw: bytes) -> None:
    with bounded(service):
        answer = owner.send("POST", path, raw, {"Content-Type": CSV}, timeout=60)
        assert answer.status in TOLD, answer.content[:300]


def giant_root() -> str:
    """A CA certificate whose RSA key has 16,384 bits, made as nobody's tool would: the number is no product."""
    key, now = make.p256(), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "giant")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(7)
    builder = builder.public_key(rsa.RSAPublicNumbers(65537, 2**16_383 + 1).public_key())
    builder = builder.not_valid_before(now - make.DAY).not_valid_after(now + make.DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return make.pem("CERTIFICATE", builder.sign(key, SHA256()).public_bytes(Encoding.DER))


def leaf_of_giant() -> str:
    """A certificate that says the giant issued it."""
    key, now = make.p256(), datetime.now(UTC)
    builder = x509.CertificateBuilder().serial_number(8).public_key(key.public_key())
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "giant")]))
    builder = builder.not_valid_before(now - make.DAY).not_valid_after(now + make.DAY)
    return make.pem("CERTIFICATE", builder.sign(key, SHA256()).public_bytes(Encoding.DER))


PEMS: dict[str, tuple[str, str, int]] = {
    "100 blocks": ("serverCertificate", make.pem("CERTIFICATE", bytes(40)) * 100, 400),
    "16 KiB of BEGIN lines": ("serverCertificate", "-----BEGIN CERTIFICATE-----\n" * 585, 400),
    "16 KiB of dashes": ("clientCertificate", "-" * 16_384, 400),
    "1 MiB of base64": ("clientCertificate", make.pem("CERTIFICATE", bytes(700_000)), 400),
    "an authority of 16,384 bits": ("serverCertificate", giant_root(), 201),
    "an issuer of 16,384 bits": ("clientCertificate", leaf_of_giant() + giant_root(), 400),
    "10^9 rounds": ("clientPrivateKey", make.locked(make.pbes2(make.pbkdf2(rounds=10**9))), 400),
    "10^9 rounds of PKCS#12": ("clientPrivateKey", make.locked(make.pkcs12_3des(10**9)), 400),
    "scrypt by N = 2^30": ("clientPrivateKey", make.locked(make.pbes2(make.scrypt(2**30, 8, 1))), 400),
    "scrypt by r = 2^30": ("clientPrivateKey", make.locked(make.pbes2(make.scrypt(2, 2**30, 1))), 400),
}


@pytest.mark.parametrize(("type", "content", "status"), PEMS.values(), ids=PEMS.keys())
def test_a_pem_text(
    service: Installation, owner: Owner, commands: str, type: str, content: str, status: int
) -> None:
    params = {"secTag": 1, "content": content}
    if type == "clientPrivateKey":
        params["password"] = make.SESAME
    with bounded(service, cpu=0.5):
        assert owner.post(commands, {"request": {type: params}}).status == status


@pytest.mark.parametrize(
    "scheme", [make.pbkdf2(rounds=10**6), make.scrypt(2**17, 16, 1)], ids=["PBKDF2", "scrypt"]
)
def test_the_dearest_key_that_is_opened(
    service: Installation, owner: Owner, commands: str, scheme: bytes
) -> None:
    params = {"secTag": 1, "content": make.locked(make.pbes2(scheme)), "password": "wrong"}
    with bounded(service, cpu=4):
        answer = owner.post(commands, {"request": {"clientPrivateKey": params}})
    assert answer.refused(400)["errors"].keys() == {"request.clientPrivateKey.password"}


LONG = "a" * (MIB - 200)


@pytest.mark.parametrize("token", [LONG, f"{LONG}.", f"a.{LONG}", "." * (MIB - 200), "=" * (MIB - 200)])
def test_a_claim_token_of_1_mib(service: Installation, owner: Owner, token: str) -> None:
    with bounded(service):
        assert "claimToken" in owner.post(DEVICES, {"claimToken": token}).refused(400)["errors"]


@pytest.mark.parametrize(("kind", "field"), [("publicKey", "publicKey"), ("certificate", "csr")])
def test_a_key_of_1_mib(service: Installation, owner: Owner, commands: str, kind: str, field: str) -> None:
    path = commands.replace("/provisioning", "/credentials")
    with bounded(service):
        owner.post(path, {"kind": kind, field: LONG[:-100]}).refused(400)


@pytest.mark.parametrize("path", [DEVICES, "/v1/provisioning/commands"])
@pytest.mark.parametrize("token", ["a" * 30_000, "a.b.c" * 5_000, ".".join(["a" * 9_000] * 3), LONG])
def test_a_token_to_sign_in_with(service: Installation, path: str, token: str) -> None:
    with bounded(service):
        assert Owner(service.http, token).get(path).status == (431 if token is LONG else 401)


def test_what_is_packed_is_not_unpacked(service: Installation, owner: Owner, commands: str) -> None:
    bomb = gzip.compress(b" " * 100 * MIB)
    with bounded(service, cpu=0.5):
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        owner.send("POST", commands, bomb, headers).refused(400)


QUERIES = {
    "one value": "search=" + "a" * 20_000,
    "many names": "&".join(f"a{number}=1" for number in range(2_000)),
    "one name often": "tag=a&" * 4_000,
    "percent signs": "search=" + "%" * 20_000,
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_long_query(service: Installation, owner: Owner, query: str) -> None:
    with bounded(service):
        assert owner.get(f"{DEVICES}?{query}").status in {200, 400}


@pytest.mark.parametrize("size", [64 * 1024, MIB])
def test_a_query_longer_than_any(service: Installation, owner: Owner, size: int) -> None:
    with bounded(service):
        assert owner.get(f"{DEVICES}?search={'a' * size}").status == 431


def test_ten_thousand_headers(service: Installation) -> None:
    head = f"GET {DEVICES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
    with bounded(service):
        assert spoken(service, head + "".join(f"X-{number}: a\r\n" for number in range(10_000))) == 431
        assert spoken(service, head + "X: a\r\n" * 3_000) in {200, 400}


def spoken(service: Installation, head: str) -> int:
    """The status of the answer to this."""
    with socket.create_connection(("127.0.0.1", service.http), timeout=10) as raw:
        # It may have heard enough before it has heard all.
        with contextlib.suppress(ConnectionError):
            raw.sendall(f"{head}Connection: close\r\n\r\n".encode())
        answer = HTTPResponse(raw)
        answer.begin()
        return answer.status


def test_half_open_connections_hold_nobody_up_for_long(service: Installation, owner: Owner) -> None:
    """200 not at all; as many as it takes at once, until they are given up."""
    with bounded(service, cpu=10), ExitStack() as opened:

        def half_open(count: int) -> None:
            for _ in range(count):
                raw = opened.enter_context(socket.create_connection(("127.0.0.1", service.http), timeout=10))
                raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")

        half_open(200)
        begun = time.monotonic()
        owner.get(DEVICES).made()
        assert time.monotonic() - begun < 5
        half_open(web.CONNECTIONS_MOST - 150)
        begun = time.monotonic()
        owner.send("GET", DEVICES, timeout=60).made()
        assert time.monotonic() - begun < web.IDLE_SECONDS + 2 * web.LOOK_SECONDS + 5
