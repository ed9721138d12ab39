"""A simulated nRF91 modem: an identity, a credential store and the AT commands of provisioning.

No I/O but `save` and `load`. It shares no code with the service, which must not mark its own work.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from provisioning.simulator import attestation, modem_request
from provisioning.simulator.at import Argument, Malformed, parse, texts
from provisioning.simulator.attestation import Payload
from provisioning.simulator.modem_store import (
    CLIENT_KEY,
    FAILED_TO_MAKE_KEY,
    NOT_ALLOWED,
    NOT_IN_ACTIVE_STATE,
    CmeError,
    Store,
)

CHIP = "nRF9160"
DEVICE_TYPE = 3  # nRF9160 SICA
NONCE = 16  # bytes
OK = "OK\r\n"
ERROR = "ERROR\r\n"


@dataclass(eq=False, slots=True)
class Modem:
    """One modem. `uuid` is its device id. `settings` is what the application beside it was configured with.

    `old_firmware` writes requests with a NULL parameter. `faults` maps the beginning of a command, such as
    `%KEYGEN` or `%CMNG=0`, to the CME code with which it fails.
    """

    uuid: UUID
    imei: str
    firmware_id: UUID
    identity_key: ec.EllipticCurvePrivateKey = field(repr=False)
    device_type: int = DEVICE_TYPE
    firmware: str = "mfw_nrf91x1_2.0.2"
    store: Store = field(default_factory=Store)
    settings: dict[str, str] = field(default_factory=dict)
    old_firmware: bool = False
    faults: dict[str, int] = field(default_factory=dict)
    active: bool = False  # whether the radio is on, and the store closed to changes

    @classmethod
    def make(cls, *, old_firmware: bool = False, faults: Mapping[str, int] | None = None) -> Self:
        """A modem fresh from the factory, unlike any other."""
        return cls(
            uuid=uuid4(),
            imei=_imei(),
            firmware_id=uuid4(),
            identity_key=ec.generate_private_key(ec.SECP256R1()),
            old_firmware=old_firmware,
            faults=dict(faults or {}),
        )

    @property
    def id(self) -> str:
        """The device id: lower case, dashed."""
        return str(self.uuid)

    def at(self, line: str) -> str:
        """Answer one AT command as the modem does: never by raising."""
        for beginning, code in self.faults.items():
            if line.startswith(f"AT{beginning}"):
                return f"+CME ERROR: {code}\r\n"
        try:
            name, sign, arguments = parse(line)
            return COMMANDS[name](self, sign, arguments) + OK
        except CmeError as error:
            return f"+CME ERROR: {error.code}\r\n"
        except (Malformed, KeyError):
            return ERROR

    def attestation_token(self, nonce: bytes | None = None) -> str:
        """The token with which an owner claims the device."""
        own = secrets.token_bytes(NONCE) if nonce is None else nonce
        return attestation.identity_token(
            self.identity_key, self.uuid, self.device_type, self.firmware_id, own
        )

    def identity_public_key(self) -> str:
        """PEM; what an owner imports to have the modem's signatures checked."""
        return _public(self.identity_key, Encoding.PEM).decode()

    def jwt(self, seconds: int = 300, key_tag: int = 0, now: float | None = None) -> str:
        """What %JWT makes: valid for `seconds` from `now` (Unix time), for ever if 0.

        `key_tag` 0 is the identity key; with any other it is the client key of that tag.
        Raises CmeError: 513 where there is none, 514 where it is no key on P-256.
        """
        claims: dict[str, Any] = {
            "jti": f"{CHIP}.{self.firmware_id}.{secrets.token_hex(NONCE)}",
            "iss": f"{CHIP}.{self.uuid}",
        }
        if seconds:
            issued = int(time.time() if now is None else now)
            claims |= {"iat": issued, "exp": issued + seconds}
        return attestation.jwt(self.identity_key if key_tag == 0 else self._client_key(key_tag), claims)

    def save(self, path: Path) -> None:
        """Write everything, the keys too, to a file that only its owner can read. Raises OSError."""
        body = {
            "uuid": self.id,
            "imei": self.imei,
            "firmwareId": str(self.firmware_id),
            "deviceType": self.device_type,
            "firmware": self.firmware,
            "oldFirmware": self.old_firmware,
            "identityKey": _private(self.identity_key),
            "credentials": self.store.dump(),
            "settings": self.settings,
        }
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(body, file, indent=1)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote. Raises OSError, and ValueError when the file is something else."""
        try:
            body = json.loads(path.read_text())
            return cls(
                uuid=UUID(body["uuid"]),
                imei=str(body["imei"]),
                firmware_id=UUID(body["firmwareId"]),
                identity_key=_opened(body["identityKey"]),
                device_type=int(body["deviceType"]),
                firmware=str(body["firmware"]),
                store=Store.restored(body["credentials"]),
                settings={str(key): str(value) for key, value in body["settings"].items()},
                old_firmware=bool(body["oldFirmware"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} holds no modem; name another file, or remove it: {error}") from error

    # The AT commands: each gives what stands before OK, and raises CmeError or Malformed.

    def serial_number(self, sign: str, arguments: list[Argument]) -> str:
        """+CGSN: the IMEI."""
        return f'+CGSN: "{self.imei}"\r\n' if arguments == [1] else f"{self.imei}\r\n"

    def revision(self, sign: str, arguments: list[Argument]) -> str:
        """+CGMR: the name of the firmware."""
        return f"{self.firmware}\r\n"

    def function(self, sign: str, arguments: list[Argument]) -> str:
        """+CFUN: 1 turns the radio on, 0 and 4 turn it off."""
        match sign, arguments:
            case "?", []:
                return f"+CFUN: {int(self.active)}\r\n"
            case "=", [0 | 1 | 4 as mode]:
                self.active = mode == 1
                return ""
        raise Malformed

    def attest(self, sign: str, arguments: list[Argument]) -> str:
        """%ATTESTTOKEN[=<challenge>]."""
        match arguments:
            case [] | [None]:
                return f'%ATTESTTOKEN: "{self.attestation_token()}"\r\n'
            case [str(challenge)] if re.fullmatch(r"[0-9A-Fa-f]{32}", challenge):
                return f'%ATTESTTOKEN: "{self.attestation_token(bytes.fromhex(challenge))}"\r\n'
        raise Malformed

    def make_key(self, sign: str, arguments: list[Argument]) -> str:
        """%KEYGEN=<tag>,<2 or 8>,<0 CSR, 1 public key>[,"<attributes>"[,"<key usage>"]]."""
        match arguments:
            case [int(tag), (2 | 8) as kind, (0 | 1) as content, *rest]:
                attributes, usage = texts(rest, 2)
            case _:
                raise Malformed
        self._closed_while_active()
        self.store.room_for(tag, kind)
        key = ec.generate_private_key(ec.SECP256R1())
        if content == 1:
            what, der = Payload.PUBLIC_KEY, _public(key, Encoding.DER)
        else:
            what, der = Payload.CSR, self._request(key, attributes, usage)
        self.store.put(tag, kind, _private(key))
        nonce = secrets.token_bytes(NONCE)
        output = attestation.key_output(self.identity_key, what, self.uuid, tag, der, nonce)
        return f'%KEYGEN: "{output}"\r\n'

    def _request(self, key: ec.EllipticCurvePrivateKey, attributes: str, usage: str) -> bytes:
        try:
            name = modem_request.subject(attributes) if attributes else modem_request.common_name(self.id)
            return modem_request.request(
                key, name, usage or modem_request.KEY_USAGE, null_parameter=self.old_firmware
            )
        except ValueError as error:
            raise CmeError(FAILED_TO_MAKE_KEY) from error

    def manage(self, sign: str, arguments: list[Argument]) -> str:
        """%CMNG=<0 write, 1 list, 2 read, 3 delete>[,<tag>[,<type>[,"<content>"[,"<password>"]]]]."""
        match arguments:
            case [0, int(tag), int(kind), str(content), *rest] if content:
                (password,) = texts(rest, 1)
                self._closed_while_active()
                self.store.write(tag, kind, content, password)
                return ""
            case [1, *only] if len(only) <= 2 and all(isinstance(part, int) for part in only):
                return "".join(
                    f'%CMNG: {tag},{kind},"{digest}"\r\n'
                    for tag, kind, digest in self.store.listed()
                    if only == [tag, kind][: len(only)]
                )
            case [2, int(tag), int(kind)]:
                digest, content = self.store.read(tag, kind)
                return f'%CMNG: {tag},{kind},"{digest}","{content}"\r\n'
            case [3, int(tag), int(kind)]:
                self._closed_while_active()
                self.store.delete(tag, kind)
                return ""
        raise Malformed

    def _closed_while_active(self) -> None:
        if self.active:
            raise CmeError(NOT_IN_ACTIVE_STATE)

    def _client_key(self, tag: int) -> ec.EllipticCurvePrivateKey:
        try:
            return _opened(self.store.get(tag, CLIENT_KEY))
        except ValueError as error:
            raise CmeError(NOT_ALLOWED) from error


COMMANDS: Mapping[str, Callable[[Modem, str, list[Argument]], str]] = {
    "+CGSN": Modem.serial_number,
    "+CGMR": Modem.revision,
    "+CFUN": Modem.function,
    "%ATTESTTOKEN": Modem.attest,
    "%KEYGEN": Modem.make_key,
    "%CMNG": Modem.manage,
}


def _imei() -> str:
    """15 digits, the last of them the check digit (Luhn)."""
    digits = f"352656{secrets.randbelow(10**8):08d}"
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(digits))
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: ec.EllipticCurvePrivateKey, encoding: Encoding) -> bytes:
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def _opened(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key on P-256")
    return key
