"""A secret is at rest only as text sealed by the first key, and no error repeats a key or what was sealed."""

import json
import re
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pki.errors import Invalid

# Fernet itself ignores characters that are not base64, and so would take a damaged key.
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class CannotOpen(Exception):
    """None of our keys opens a sealed value: the installation's trouble, not a sender's."""

    def __init__(self) -> None:
        super().__init__(
            "A sealed value opens with none of the keys in KEYSEED_FIELD_KEYS. The key that it was sealed "
            "with must still be there: new keys go in front, old ones stay until everything is sealed again."
        )


def new_key() -> str:
    """A fresh key for `Sealer`: 32 random bytes, url-safe base64."""
    return Fernet.generate_key().decode()


class Sealer:
    """Seals with the first of `keys`, opens with any. Raises Invalid if a key is none, or there is none."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[str]) -> None:
        for number, key in enumerate(keys, 1):
            if not _KEY.fullmatch(key):
                raise Invalid(
                    f"Key {number} of KEYSEED_FIELD_KEYS is not 32 bytes in url-safe base64 (44 characters). "
                    "Make one with `openssl rand -base64 32 | tr +/ -_`."
                )
        if not keys:
            raise Invalid(
                "KEYSEED_FIELD_KEYS is empty. Put a key there: `openssl rand -base64 32 | tr +/ -_`."
            )
        self._keys = MultiFernet([Fernet(key) for key in keys])

    def seal(self, plain: Mapping[str, str]) -> str:
        """`plain` encrypted and authenticated, as url-safe base64; another text every time."""
        return self._keys.encrypt(json.dumps(dict(plain)).encode()).decode()

    def open(self, token: str) -> dict[str, str]:
        """What `seal` sealed. Raises CannotOpen."""
        try:
            plain = json.loads(self._keys.decrypt(token))
        except (InvalidToken, ValueError):
            plain = None
        # Outside of `except`: a chained JSONDecodeError would hold the secret.
        if not isinstance(plain, dict):
            raise CannotOpen
        return plain

    def reseal(self, token: str) -> str:
        """The same secret under the first key, for rotation. Raises CannotOpen."""
        try:
            return self._keys.rotate(token).decode()
        except (InvalidToken, ValueError):
            raise CannotOpen from None
