"""The codes of `rejected` (WIRE.md 4.1), each with the sentence that says what to do about it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from provisioning.wire.errors import Refused
from provisioning.wire.messages import Rejected

# The advice agrees with what WIRE.md 6.4 has a device do by itself.
REJECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MALFORMED": "Do not send it again as it is; get commands after 60 s.",
        "TOO_LARGE": "Do not send it again as it is; send fewer results in one message.",
        "NOT_CLAIMED": "No tenant has claimed this device; try again in an hour.",
        "BLOCKED": "The owner has blocked this device; try again in an hour.",
        "THROTTLED": "Too many requests; wait for retryAfter seconds.",
        "UNSUPPORTED_FORMAT": "Use a topic of a format that this service speaks.",
        "INTERNAL": "The service failed on this message; send it again later.",
    }
)


def rejection(
    code: str, *, id: str | None = None, reason: str | None = None, retry_after: float | None = None
) -> Rejected:
    """The `Rejected` for a code, its reason (a whole sentence) in front of the advice.

    Raises KeyError for a code that is not in the table.
    """
    advice = REJECTIONS[code]
    message = f"{reason} {advice}" if reason else advice
    return Rejected(id=id, code=code, message=message, retry_after=retry_after)


def refusal(error: Refused) -> Rejected:
    """The `Rejected` that answers a message which could not be read."""
    return rejection(error.code, id=error.id, reason=error.message)
