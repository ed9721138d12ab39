"""Every reason for which Keyseed refuses a person's or a script's request stands in `CODES`, and only here.

A rule raises `Refusal` with a code of the table and a message that says what to do; REST and the admin show it.
This file does not know Django.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """The HTTP status a code is answered with and its short title."""

    http: int
    title: str


CODES: Mapping[str, Code] = {
    "INVALID": Code(400, "The request is not valid"),
    "UNAUTHENTICATED": Code(401, "No valid API key"),
    "FORBIDDEN": Code(403, "The API key's role does not allow this"),
    "NOT_FOUND": Code(404, "Not found"),
    "METHOD_NOT_ALLOWED": Code(405, "This address does not know that method"),
    "NOT_ACCEPTABLE": Code(406, "No representation that you accept"),
    "CONFLICT": Code(409, "The object's state does not allow this"),
    "QUEUE_FULL": Code(409, "The device's list is full"),
    "RUN_CLOSED": Code(409, "The command belongs to a closed run"),
    "RESET_THE_CSR": Code(409, "Reset the certificate request instead"),
    "SECRETS_NEEDED": Code(409, "The secrets must be sent again"),
    "ILLEGAL_TRANSITION": Code(409, "The command's state does not allow this"),
    "CLAIMED_ALREADY": Code(409, "You have claimed this device already"),
    "CLAIMED_BY_ANOTHER": Code(409, "Another tenant has claimed this device"),
    "CLAIM_NOT_PROVABLE": Code(409, "No identity key is known for this device"),
    "CLAIM_UNPROVEN": Code(409, "Nothing proves yet that this device is yours"),
    "RULE_FIXED": Code(409, "A rule that has been active does not change"),
    "TOO_MANY": Code(409, "There is no room for more of these"),
    "SERIAL_NUMBER_TAKEN": Code(409, "Another device has this serial number"),
    "NAME_TAKEN": Code(409, "The name is taken"),
    "IN_PROGRESS": Code(409, "The first request with this Idempotency-Key is still running"),
    "IDEMPOTENCY_MISMATCH": Code(409, "This Idempotency-Key was used with another body"),
    "TOO_LARGE": Code(413, "The body is too large"),
    "UNSUPPORTED_MEDIA_TYPE": Code(415, "The body's media type is not supported"),
    "THROTTLED": Code(429, "Too many requests"),
    "INTERNAL": Code(500, "Keyseed failed"),
}


class Refusal(Exception):
    """A request that is refused: `code` is one of `CODES`; `errors` names fields where there are any."""

    def __init__(self, code: str, message: str, errors: Mapping[str, Sequence[str]] | None = None) -> None:
        self.code = code
        self.message = message
        self.errors = errors
        super().__init__(f"{code}: {message}")

    @property
    def http(self) -> int:
        """The HTTP status to answer with."""
        return CODES[self.code].http


def invalid(field: str, message: str) -> Refusal:
    """A 400 about one field."""
    return Refusal("INVALID", f"{field}: {message}", {field: [message]})
