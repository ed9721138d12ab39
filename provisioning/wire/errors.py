"""What is wrong with a message from a device: refused with a reason, never a reason to stop.

Unroutable             the topic is none of ours: nobody to answer
Unfit                  what a format cannot carry out to a device: its owner hears of it
Refused                answered `rejected`, nothing stored (WIRE.md 4.1)
    Malformed          MALFORMED
        TooLarge       TOO_LARGE
    UnsupportedFormat  UNSUPPORTED_FORMAT
"""

from typing import ClassVar


class Unroutable(ValueError):
    """The topic is not a device's `get` or `results`; it is counted and dropped."""


class Unfit(ValueError):
    """A command that a format has no way to say; `reason` is a sentence for the owner, without secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(ValueError):
    """A message that is answered `rejected`.

    `code` is the code of WIRE.md 4.1, `message` says what is wrong and what is wanted, in words of this
    service only (nothing the device sent is in it), `id` is the id of the request where it could be read.
    """

    code: ClassVar[str]

    def __init__(self, message: str, id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.id = id


class Malformed(Refused):
    """The bytes, or what they say, break WIRE.md 2.1, 3.1, 4.2 or 4.3."""

    code = "MALFORMED"


class TooLarge(Malformed):
    """The message is over 64 KiB; it was not parsed, so its id is not known."""

    code = "TOO_LARGE"


class UnsupportedFormat(Refused):
    """The topic is right but for a format that this service does not speak."""

    code = "UNSUPPORTED_FORMAT"
