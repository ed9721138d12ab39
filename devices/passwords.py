"""Secrets that devices sign in with: made here, 160 random bits, kept in the form that Mosquitto reads.

`$7$101$salt$hash` is PBKDF2-SHA512 with 101 rounds: little, and enough for a secret that nobody chose. Any broker
can be filled from the database again. This file does not know Django.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

ROUNDS = 101
SALT_BYTES = 12


def new() -> str:
    """A new secret: 32 letters and digits, 160 random bits."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


def digest(secret: str) -> str:
    """The secret as it is stored and as Mosquitto's password_file has it."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"$7${ROUNDS}${_text(salt)}${_text(_derive(secret, salt, ROUNDS))}"


def matches(secret: str, stored: str) -> bool:
    """Whether `stored` was made from this secret, in constant time."""
    _, version, rounds, salt, expected = stored.split("$")
    if version != "7":
        return False
    derived = _derive(secret, base64.b64decode(salt), int(rounds))
    return hmac.compare_digest(derived, base64.b64decode(expected))


def _derive(secret: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", secret.encode("utf-8", "surrogatepass"), salt, rounds)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
