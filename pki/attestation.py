"""The identity attestation token of an nRF91 modem, which is what a device is claimed with (docs/nrf-cloud.md).

"<base64url body>.<base64url COSE>". It says which device it is of; whether it is genuine, only a key tells that
was known before.
"""

from dataclasses import dataclass, field
from uuid import UUID

from pki import base64url, cbor, cose, keys
from pki.errors import Invalid
from pki.requests import read_public_key

MAX_TOKEN = 4 * 1024  # bytes; a modem's has 180
IDENTITY_KEY = -2

DEVICE_TYPES = {
    1: "nrf9160_SIAA",
    2: "nrf9160_SIBA",
    3: "nrf9160_SICA",
    4: "nrf9161_LACA",
    5: "nrf9131_LACA",
    6: "nrf9151_LACA",
}

_IDENTITY = 1
_OTHER_MESSAGES = {2: "a public key message", 3: "a signing request message", 5: "a provisioning response"}
_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # tag 55799, which only says "CBOR"
_MAX_TYPE = 2**31 - 1
_READ_ONE = "Read one with AT%ATTESTTOKEN."
_COPY = "Copy all of the text between the quotation marks of AT%ATTESTTOKEN's answer."


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a token says. `device_type` is the modem's number for its chip, `nonce` 16 bytes.

    The token itself is not shown: whoever has it may claim the device.
    """

    device_id: UUID
    device_type: int
    firmware_id: UUID
    nonce: bytes
    body: bytes = field(repr=False)
    sign1: cose.Sign1 = field(repr=False)

    @property
    def device_type_name(self) -> str:
        """The name of the chip, such as "nrf9161_LACA", or "unknown_<number>"."""
        return DEVICE_TYPES.get(self.device_type, f"unknown_{self.device_type}")


def read(token: str) -> Attestation:
    """What a token says, whoever signed it; raises Invalid. Spaces and line ends around it do not matter."""
    if len(token) > MAX_TOKEN:
        raise Invalid(f"The attestation token is longer than {MAX_TOKEN:,} bytes. {_COPY}")
    body, signed = _parts(token.strip())
    device_id, device_type, firmware_id, nonce = _fields(body)
    return Attestation(
        UUID(bytes=device_id), device_type, UUID(bytes=firmware_id), nonce, body, _sign1(signed)
    )


def verifies(attestation: Attestation, public_key_pem: str) -> bool:
    """Whether the token is signed by this key; False for any key but EC on P-256.

    Raises Invalid if the key cannot be read.
    """
    key = keys.read(read_public_key(public_key_pem))
    return cose.verifies(attestation.sign1, key, attestation.body)


def _parts(token: str) -> tuple[bytes, bytes]:
    body, _, signed = token.partition(".")
    try:
        if body:
            return base64url.read(body), base64url.read(signed)
    except base64url.Malformed:
        pass
    raise Invalid(f'It is not an attestation token, two parts of base64url with a "." between them. {_COPY}')


def _fields(body: bytes) -> tuple[bytes, int, bytes, bytes]:
    """Device id, device type, firmware id and nonce."""
    try:
        values = cbor.read(body.removeprefix(_SELF_DESCRIBED))
    except cbor.Malformed:
        values = None
    if not isinstance(values, list) or not values or type(values[0]) is not int:
        raise Invalid(f"The first part is not the CBOR of an attestation token. {_COPY}")
    if values[0] != _IDENTITY:
        kind = _OTHER_MESSAGES.get(values[0], f"a message of type {values[0]}")
        raise Invalid(f"This is {kind}, not a device identity attestation token. {_READ_ONE}")
    match values:
        case [_, bytes() as device_id, int() as device_type, bytes() as firmware_id, bytes() as nonce]:
            sound = not isinstance(device_type, bool) and 0 <= device_type <= _MAX_TYPE
            if sound and len(device_id) == len(firmware_id) == len(nonce) == 16:
                return device_id, device_type, firmware_id, nonce
    raise Invalid(
        "The first part does not hold device id, device type, firmware id and nonce, as an attestation token's"
        f" does. {_COPY}"
    )


def _sign1(signed: bytes) -> cose.Sign1:
    if not signed:
        raise Invalid(f"The attestation token has no COSE part, its signature. {_COPY}")
    sign1 = cose.read(signed)
    if sign1.key_id not in (None, IDENTITY_KEY):
        raise Invalid(
            "The token is not signed with the identity key. Only the identity attestation token may be used to"
            f" claim a device. {_READ_ONE}"
        )
    if sign1.payload is not None:
        raise Invalid(
            f"The COSE part holds a message of its own, which no attestation token does. {_READ_ONE}"
        )
    return sign1
