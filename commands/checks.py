"""Checks of single values of a request, before anything is stored. Pure: each gives the value to store or raises.

What goes to a modem stands between quotes in a command line of its own, which is why " and line breaks are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pki import certificates, private_keys
from pki.errors import Invalid


class Mismatch(Exception):
    """Two fields do not go together; `field` is the one to correct."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(field)


SEC_TAG_MOST = 2_147_483_647
PEM_MOST = 16 * 1024
PAIRS_MOST, PAIR_NAME_MOST, PAIR_VALUE_MOST = 100, 64, 1024
RDN_NAMES = frozenset(
    {"CN", "C", "O", "OU", "L", "ST", "S", "R", "SN", "DC"}
    | {"emailAddress", "serialNumber", "postalAddress", "postalCode", "title", "givenName", "initials"}
    | {"dnQualifier", "pseudonym", "generationQualifier"}
)
_UNFIT = re.compile('[\x00-\x1f\x7f"\ud800-\udfff]')
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,64}")


def integer(value: object, now: datetime) -> object:
    """A slot of the credential store. Raises `Invalid`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEC_TAG_MOST:
        raise Invalid(f"Must be a whole number from 0 to {SEC_TAG_MOST}.")
    return value


def _text(value: object, least: int, most: int) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise Invalid(f"Must be a text of {least} to {most} characters.")
    return value


def _line(value: object, least: int, most: int) -> str:
    """One line that fits between the quotes of a modem command."""
    text = _text(value, least, most)
    if _UNFIT.search(text):
        raise Invalid('Must not hold line breaks, control characters or ".')
    return text


def attributes(value: object, now: datetime) -> object:
    """A subject as a list of names and values, at most 256 characters. Raises `Invalid`."""
    text = _line(value, 0, 256)
    for part in filter(None, re.split(r"(?<!\\),", text)):
        name, _, content = part.strip().partition("=")
        if name not in RDN_NAMES or not content:
            raise Invalid(
                "Must be a list like CN=pump-17,O=Example,C=NO; use " + ", ".join(sorted(RDN_NAMES))
            )
    return text


def key_usage(value: object, now: datetime) -> object:
    """Nine digits, one for each key usage of X.509. Raises `Invalid`."""
    if not isinstance(value, str) or not re.fullmatch("[01]{9}", value):
        raise Invalid(
            "Must be nine digits 0 or 1: digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, "
            "keyAgreement, keyCertSign, cRLSign, encipherOnly, decipherOnly. For TLS send 101000000."
        )
    if value[4] == "0" and "1" in value[7:]:
        raise Invalid(
            "encipherOnly and decipherOnly mean something beside keyAgreement only: set the fifth digit."
        )
    return value


def authorities(value: object, now: datetime) -> object:
    """PEM of CA certificates that hold now. Raises `Invalid`."""
    return certificates.check_authorities(_text(value, 1, PEM_MOST), now)


def chain(value: object, now: datetime) -> object:
    """PEM of a certificate and its issuers that hold now. Raises `Invalid`."""
    return certificates.check_chain(_text(value, 1, PEM_MOST), now)


def pem(value: object, now: datetime) -> object:
    """PEM that is looked at later, with its password. Raises `Invalid`."""
    return _text(value, 1, PEM_MOST)


def password(value: object, now: datetime) -> object:
    """The password of a private key. Raises `Invalid`."""
    return _line(value, 1, 128)


def identity(value: object, now: datetime) -> object:
    """A PSK identity. Raises `Invalid`."""
    return _line(value, 1, 128)


def psk(value: object, now: datetime) -> object:
    """A pre-shared key in hexadecimal. Raises `Invalid`."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Invalid("Must be an even number of hexadecimal digits, 16 to 128 of them.")
    return value


def pairs(value: object, now: datetime) -> object:
    """Settings: names and values. Raises `Invalid`."""
    if not isinstance(value, Mapping) or not 1 <= len(value) <= PAIRS_MOST:
        raise Invalid(f"Must be an object of 1 to {PAIRS_MOST} text pairs.")
    for name, content in value.items():
        if not isinstance(name, str) or not 1 <= len(name) <= PAIR_NAME_MOST or _UNFIT.search(name):
            raise Invalid(f"Each name must be one line of 1 to {PAIR_NAME_MOST} characters.")
        if not isinstance(content, str) or len(content) > PAIR_VALUE_MOST or not _storable(content):
            raise Invalid(f"{name!r}: each value must be a text of at most {PAIR_VALUE_MOST} characters.")
    return dict(value)


def _storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def key_opens(values: Mapping[str, str]) -> Mapping[str, str]:
    """A private key and the password that opens it. Raises `Mismatch`."""
    try:
        return {**values, "content": private_keys.check_encrypted_key(values["content"], values["password"])}
    except private_keys.WrongPassword as invalid:
        raise Mismatch("password", invalid.reason) from None
    except Invalid as invalid:
        raise Mismatch("content", invalid.reason) from None
