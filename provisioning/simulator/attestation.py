"""What an nRF91 modem signs with its identity key: tokens and JWTs. No I/O; time and nonces are given.

Source: nRF91 attestation token and %KEYGEN output as public parsers read them; RFC 9052 (COSE), RFC 7515 (JWS).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

SELF_DESCRIBED = 55799  # the tag with which every payload begins
COSE_SIGN1 = 18
PROTECTED = bytes.fromhex("a10126")  # {1: -7}: ES256
IDENTITY_KEY = bytes.fromhex("21")  # key id -2
IDENTITY_MESSAGE = 1
COORDINATE = 32  # bytes of r and of s


class Payload(IntEnum):
    """What a signature beside a %KEYGEN output is about."""

    PUBLIC_KEY = 8
    CSR = 9


def identity_token(
    key: ec.EllipticCurvePrivateKey, device: UUID, device_type: int, firmware: UUID, nonce: bytes
) -> str:
    """`<body>.<signature>`, 180 characters: the answer to %ATTESTTOKEN. `nonce` is 16 bytes."""
    body = _described([IDENTITY_MESSAGE, device.bytes, device_type, firmware.bytes, nonce])
    return f"{text(body)}.{text(_cose(key, body, detached=True))}"


def key_output(
    key: ec.EllipticCurvePrivateKey, kind: Payload, device: UUID, sec_tag: int, der: bytes, nonce: bytes
) -> str:
    """`<DER>.<signature>`: the answer to %KEYGEN, which ties the DER to the device and the tag."""
    # The modem holds tags in 32 bits with a sign.
    signed_tag = cbor2.dumps(sec_tag if sec_tag < 2**31 else sec_tag - 2**32)
    digest = hashlib.sha256(der).digest()
    payload = _described([int(kind), device.bytes, signed_tag, digest, nonce])
    return f"{text(der)}.{text(_cose(key, payload, detached=False))}"


def jwt(key: ec.EllipticCurvePrivateKey, claims: Mapping[str, Any]) -> str:
    """The claims, signed ES256."""
    parts = ({"typ": "JWT", "alg": "ES256"}, claims)
    signed = ".".join(text(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{text(_signature(key, signed.encode()))}"


def text(octets: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _described(fields: list[Any]) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields))


def _cose(key: ec.EllipticCurvePrivateKey, payload: bytes, *, detached: bool) -> bytes:
    signature = _signature(key, cbor2.dumps(["Signature1", PROTECTED, b"", payload]))
    carried = None if detached else payload
    return cbor2.dumps(cbor2.CBORTag(COSE_SIGN1, [PROTECTED, {4: IDENTITY_KEY}, carried, signature]))


def _signature(key: ec.EllipticCurvePrivateKey, octets: bytes) -> bytes:
    """r and s, 32 bytes each, as COSE and JWS want them."""
    r, s = decode_dss_signature(key.sign(octets, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(COORDINATE) + s.to_bytes(COORDINATE)
