"""Base64url without padding (RFC 4648 5), with one spelling for each value, so that no changed text passes."""

import base64


class Malformed(ValueError):
    """The text is not base64url as `write` writes it."""


def read(text: str) -> bytes:
    """The bytes that `text` spells; raises Malformed."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Malformed("not base64url") from None
    # The library skips what is not in its alphabet, and bits that spell nothing.
    if write(data) != text:
        raise Malformed("not base64url in its one spelling")
    return data


def write(data: bytes) -> str:
    """The bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
