"""COSE_Sign1 with ES256 (RFC 9052 4.2), as nRF91 modems sign with it. Reading one believes nothing of it."""

from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pki import cbor
from pki.errors import Invalid
from pki.keys import PublicKey

MAX_SIZE = 16 * 1024  # bytes
SIGNATURE = 64  # bytes: r and s, 32 each

_TAG_18 = b"\xd2"
# The map {1: -7}, "algorithm: ES256", of definite and of indefinite length.
_ES256 = (b"\xa1\x01\x26", b"\xbf\x01\x26\xff")
# Labels of RFC 9052 3.1. The first two belong among the protected headers, and no label in both places.
_ALGORITHM, _CRITICAL, _KEY_ID = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Sign1:
    """A message as it was sent. `key_id` is no more than a hint: no signature covers it.

    `payload` is None where it is detached, that is, sent elsewhere.
    """

    protected: bytes
    key_id: int | None
    payload: bytes | None
    signature: bytes


def read(data: bytes) -> Sign1:
    """The COSE_Sign1 message, tagged 18, that `data` consists of. Raises Invalid.

    A key id is the CBOR of an integer, as modems have it.
    """
    if len(data) > MAX_SIZE:
        raise Invalid(
            f"The COSE part is larger than {MAX_SIZE:,} bytes. Send what the device gave, unchanged."
        )
    try:
        parts = cbor.read(data.removeprefix(_TAG_18)) if data.startswith(_TAG_18) else None
    except cbor.Malformed:
        parts = None
    match parts:
        case [bytes() as protected, dict() as unprotected, (bytes() | None) as payload, bytes() as signature]:
            pass
        case _:
            raise Invalid("The COSE part is not a COSE_Sign1 message (CBOR tag 18). Copy all of the token.")
    if protected not in _ES256:
        raise Invalid("The COSE part is not signed with ES256 alone. Send what the device gave, unchanged.")
    if len(signature) != SIGNATURE:
        raise Invalid(
            f"The signature in the COSE part does not have {SIGNATURE} bytes. Copy all of the token."
        )
    return Sign1(protected, _key_id(unprotected), payload, signature)


def verifies(sign1: Sign1, public_key: PublicKey, payload: bytes) -> bool:
    """Whether `public_key`, an EC key on P-256, signed `payload` in this message."""
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
        public_key.curve, ec.SECP256R1
    ):
        return False
    r, s = sign1.signature[: SIGNATURE // 2], sign1.signature[SIGNATURE // 2 :]
    signature = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    signed = cbor2.dumps(["Signature1", sign1.protected, b"", payload])
    try:
        public_key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _key_id(unprotected: dict[object, object]) -> int | None:
    # In Python 4.0 would pass for the label 4, and True for 1.
    if (
        not {type(label) for label in unprotected} <= {int, str}
        or {_ALGORITHM, _CRITICAL} & unprotected.keys()
    ):
        raise Invalid(
            "The COSE part has headers that do not belong there. Send what the device gave, unchanged."
        )
    if _KEY_ID not in unprotected:
        return None
    try:
        encoded = unprotected[_KEY_ID]
        key_id = cbor.read(encoded) if isinstance(encoded, bytes) else None
    except cbor.Malformed:
        key_id = None
    if type(key_id) is not int:
        raise Invalid("The key id in the COSE part is not an integer in CBOR. Copy all of the token.")
    return key_id
