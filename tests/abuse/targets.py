"""What a fuzzer feeds: every reader of what strangers send, and what may come out of it.

Bytes become what the reader takes; where that is text, some targets also wrap them, so that a changed byte reaches
what is inside of PEM or base64url. This file knows neither Django nor a fuzzer.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding

from commands import catalogue
from devices import claims_csv
from pki import attestation, certificates, cose, private_keys, requests, tokens
from pki.errors import Invalid
from provisioning.wire import topics
from provisioning.wire.codec import CODECS
from provisioning.wire.errors import Malformed, Unroutable
from tenants.errors import Refusal
from tests.pki import make
from tests.wire import golden

FOUND = Path(__file__).parent / "found"
"""Inputs that once found something, in a folder for each target."""
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROOT = "prov/v1"

Reader = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, and the one exception that it documents. `seeds` are inputs that reach far into it."""

    read: Reader
    refused: type[Exception]
    seeds: Callable[[], list[bytes]] = field(repr=False)

    def feed(self, data: bytes) -> bool:
        """Whether the reader took it. Raises whatever else than `refused` comes out."""
        try:
            self.read(data)
        except self.refused:
            return False
        return True


def text(data: bytes) -> str:
    """Any text: what is no UTF-8 becomes half surrogate pairs, which JSON can carry too."""
    return data.decode("utf-8", "surrogateescape")


def _halves(data: bytes) -> tuple[bytes, bytes]:
    """Two parts of what a fuzzer has in one: the first begins with its own length."""
    length = int.from_bytes(data[:2], "big")
    return data[2 : 2 + length], data[2 + length :]


def _joined(first: bytes, second: bytes) -> bytes:
    return len(first).to_bytes(2, "big") + first + second


def _attested(data: bytes) -> object:
    return attestation.read(make.modem(*_halves(data)))


def _signed(data: bytes) -> object:
    return tokens.read(".".join(make.base64url(part) for part in (*_halves(data), b"signature")))


def _pem(label: str, read: Callable[[str], object], data: bytes) -> object:
    return read(make.pem(label, data))


def _chain(value: str) -> object:
    certificates.read(value)
    return certificates.check_chain(value, NOW)


def _locked(value: str) -> object:
    return private_keys.check_encrypted_key(value, make.SESAME)


def _request(data: bytes) -> object:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return catalogue.check(value, NOW)


def _vectors(format: str, verb: str) -> list[bytes]:
    files = ("get", "results", "refused", "nrf")
    return [
        golden.payload(vector)
        for vector in golden.load(*files)
        if vector.get("direction") == "up" and (vector["format"], vector["verb"]) == (format, verb)
    ]


def _topics() -> list[bytes]:
    return [vector["topic"].encode() for vector in golden.load("topics") if "topic" in vector]


_CLAIMS = {
    "sub": str(UUID(int=7)),
    "iss": f"nrf9161.{UUID(int=7)}",
    "iat": 1780315200,
    "exp": 1780315800,
    "aud": ["a"],
}


def _tokens() -> list[bytes]:
    return [make.jws(make.p256(), _CLAIMS).encode(), make.jws(make.p256(), {}, {"alg": "none"}).encode()]


def _claims() -> list[bytes]:
    header = b'{"typ":"JWT","alg":"ES256"}'
    return [_joined(header, json.dumps(_CLAIMS).encode()), _joined(header, b'{"iat":1e999,"aud":[]}')]


def _attestations() -> list[bytes]:
    return [
        make.attestation(make.p256(), make.identity(UUID(int=7))).encode(),
        make.modem(b"\x81\x05").encode(),
    ]


def _parts_of_attestations() -> list[bytes]:
    body = make.identity(UUID(int=7))
    return [
        _joined(body, make.sign1(make.p256(), body)),
        _joined(body, make.sign1(make.p256(), body, key_id=None)),
    ]


def _certificates() -> list[bytes]:
    root = make.issue("Root", ca=True)
    device = make.issue("device-1", root, ca=False)
    return [one.certificate.public_bytes(Encoding.DER) for one in (root, device)]


def _requests() -> list[bytes]:
    return [make.request(key).public_bytes(Encoding.DER) for key in (make.p256(), make.rsa_key())]


def _public_keys() -> list[bytes]:
    return [make.spki(make.p256()), make.spki(make.rsa_key()), *_requests()]


def _private_keys() -> list[bytes]:
    names = ("default", "pkcs12-3des", "scrypt", "rsa-1024", "ed25519")
    return [base64.b64decode("".join(make.sample(name).split("\n")[1:-2])) for name in names]


def _pems(label: str, ders: Callable[[], list[bytes]]) -> Callable[[], list[bytes]]:
    return lambda: (
        [make.pem(label, der).encode() for der in ders()]
        + ["".join(make.pem(label, der) for der in ders()).encode()]
    )


def _commands() -> list[bytes]:
    chain = "".join(make.pem("CERTIFICATE", der) for der in reversed(_certificates()))
    authority = make.pem("CERTIFICATE", _certificates()[0])
    slot = {"secTag": 7}
    given: list[dict[str, object]] = [
        {"config": {"interval": "60"}},
        {"finished": {}},
        {"clientPrivateKeyGeneration": slot},
        {"cloudAccessKeyGeneration": slot},
        {"preSharedKey": {**slot, "identity": "pump", "secret": "00" * 16}},
        {"certificateSigningRequest": {**slot, "attributes": "CN=pump,O=x", "keyUsage": "101000000"}},
        {"serverCertificate": {**slot, "content": authority}},
        {"clientCertificate": {**slot, "content": chain}},
        {"clientPrivateKey": {**slot, "content": make.sample("default"), "password": make.SESAME}},
    ]
    return [json.dumps(one).encode() for one in given]


def _claim_rows() -> list[bytes]:
    return [
        b"claimToken,tags\r\na.b,pumps\r\n",
        b'"a.b","x,""y"""\n\n,\n',
        b"\xef\xbb\xbfclaimToken\n",
        b'"never closed\n',
    ]


def _codecs() -> dict[str, Target]:
    return {
        f"{format}-{verb}": Target(
            getattr(codec, f"decode_{verb}"), Malformed, partial(_vectors, format, verb)
        )
        for format, codec in CODECS.items()
        for verb in ("get", "results")
    }


def _texts(read: Callable[[str], object]) -> Reader:
    return lambda data: read(text(data))


_PUBLIC = "PUBLIC KEY"
_REQUEST = "CERTIFICATE REQUEST"
_LOCKED = private_keys.LABEL

TARGETS: Mapping[str, Target] = MappingProxyType(
    _codecs()
    | {
        "topic": Target(_texts(lambda value: topics.parse(value, ROOT)), Unroutable, _topics),
        "attestation": Target(_texts(attestation.read), Invalid, _attestations),
        "attestation-parts": Target(_attested, Invalid, _parts_of_attestations),
        "token": Target(_texts(tokens.read), Invalid, _tokens),
        "token-parts": Target(_signed, Invalid, _claims),
        "cose": Target(cose.read, Invalid, lambda: [make.sign1(make.p256(), b"payload")]),
        "csr": Target(_texts(requests.read_csr), Invalid, _pems(_REQUEST, _requests)),
        "csr-der": Target(partial(_pem, _REQUEST, requests.read_csr), Invalid, _requests),
        "public-key": Target(_texts(requests.read_public_key), Invalid, _pems(_PUBLIC, _public_keys)),
        "public-key-der": Target(partial(_pem, _PUBLIC, requests.read_public_key), Invalid, _public_keys),
        "certificates": Target(_texts(_chain), Invalid, _pems("CERTIFICATE", _certificates)),
        "certificate-der": Target(partial(_pem, "CERTIFICATE", _chain), Invalid, _certificates),
        "private-key-der": Target(partial(_pem, _LOCKED, _locked), Invalid, _private_keys),
        "command": Target(_request, Refusal, _commands),
        "claims-csv": Target(
            _texts(lambda value: claims_csv.read(value, "claimToken")), Refusal, _claim_rows
        ),
    }
)
