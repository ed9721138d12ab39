"""The credential store of an nRF91 modem: what %CMNG and %KEYGEN keep, and the CME codes they refuse with."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

NOT_FOUND = 513
NOT_ALLOWED = 514
FULL = 515
NOT_IN_ACTIVE_STATE = 518
EXISTS = 519
FAILED_TO_MAKE_KEY = 523
INVALID_CONTENT = 527

ROOT_CA, CLIENT_CERTIFICATE, CLIENT_KEY, PSK, PSK_IDENTITY, PUBLIC_KEY = range(6)
ENDORSEMENT_KEY = 8
KINDS = frozenset({ROOT_CA, CLIENT_CERTIFICATE, CLIENT_KEY, PSK, PSK_IDENTITY, PUBLIC_KEY, ENDORSEMENT_KEY})
WRITABLE = KINDS - {ENDORSEMENT_KEY}
SECRET = frozenset({CLIENT_KEY, PSK, ENDORSEMENT_KEY})

MAX_TAG = 2_147_483_667  # the last 20 are for decrypting TLS in tests; what is above is reserved
ROOM = 64


class CmeError(Exception):
    """A command that the modem refuses with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"+CME ERROR: {code}")
        self.code = code


@dataclass(eq=False, slots=True)
class Store:
    """Credentials by security tag and type, at most `room` of them. It outlives every restart."""

    content: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)
    room: int = ROOM

    def room_for(self, tag: int, kind: int) -> None:
        """Raises CmeError unless something can be put there: 514 no such place, 519 taken, 515 full."""
        _place(tag, kind)
        if (tag, kind) in self.content:
            raise CmeError(EXISTS)
        if len(self.content) >= self.room:
            raise CmeError(FULL)

    def put(self, tag: int, kind: int, content: str) -> None:
        """Keep it. Raises CmeError as `room_for`."""
        self.room_for(tag, kind)
        self.content[tag, kind] = content

    def write(self, tag: int, kind: int, content: str, password: str = "") -> None:
        """What %CMNG=0 does. Raises CmeError: as `room_for`, 514 for what is not written, 527 for bad content."""
        if kind not in WRITABLE:
            raise CmeError(NOT_ALLOWED)
        self.room_for(tag, kind)
        self.put(tag, kind, _checked(kind, content, password))

    def get(self, tag: int, kind: int) -> str:
        """The content, secret or not. Raises CmeError (513, 514)."""
        _place(tag, kind)
        try:
            return self.content[tag, kind]
        except KeyError:
            raise CmeError(NOT_FOUND) from None

    def read(self, tag: int, kind: int) -> tuple[str, str]:
        """Digest and content, as %CMNG=2 gives them. Raises CmeError: 513, and 514 for a secret."""
        content = self.get(tag, kind)
        if kind in SECRET:
            raise CmeError(NOT_ALLOWED)
        return _digest(content), content

    def delete(self, tag: int, kind: int) -> None:
        """Raises CmeError (513, 514)."""
        self.get(tag, kind)
        del self.content[tag, kind]

    def listed(self) -> Iterator[tuple[int, int, str]]:
        """Tag, type and digest of everything, in order."""
        for (tag, kind), content in sorted(self.content.items()):
            yield tag, kind, _digest(content)

    def dump(self) -> list[dict[str, Any]]:
        """Plain values for a state file; private keys are among them."""
        return [
            {"tag": tag, "type": kind, "content": content} for (tag, kind), content in self.content.items()
        ]

    @classmethod
    def restored(cls, entries: list[dict[str, Any]]) -> Self:
        """What `dump` gave. Raises KeyError, TypeError, ValueError."""
        return cls({(int(entry["tag"]), int(entry["type"])): str(entry["content"]) for entry in entries})


def _place(tag: int, kind: int) -> None:
    if not 0 <= tag <= MAX_TAG or kind not in KINDS:
        raise CmeError(NOT_ALLOWED)


def _checked(kind: int, content: str, password: str) -> str:
    """The content as it is kept. Raises CmeError (527)."""
    try:
        if kind in {ROOT_CA, CLIENT_CERTIFICATE}:
            x509.load_pem_x509_certificates(content.encode())
        elif kind == CLIENT_KEY:
            return _opened(content, password)
        elif kind == PSK and not re.fullmatch(r"([0-9A-Fa-f]{2})+", content):
            raise ValueError("not pairs of hex digits")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CmeError(INVALID_CONTENT) from error
    return content


def _opened(pem: str, password: str) -> str:
    """The key without its password: a wrong one shows now, not when the device connects."""
    key = load_pem_private_key(pem.encode(), password.encode() or None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest().upper()
