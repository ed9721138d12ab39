"""Whatever bytes come in, a message comes out or Malformed does (WIRE.md 4.2).

The parsers refuse what only they can see (duplicate keys, trailing bytes, tags); what can be seen in the
decoded value is checked here, once, for every format.
"""

from collections.abc import Callable
from math import isfinite
from typing import Protocol, TypeVar

from provisioning.wire import limits
from provisioning.wire.errors import Malformed, TooLarge

Message = TypeVar("Message")


class Parser(Protocol):
    """What a format adds to the rules here."""

    def parse(self, payload: bytes) -> object:
        """The value in a payload of at most 64 KiB; raises Malformed and nothing else."""
        ...

    def salvage(self, payload: bytes) -> object:
        """What can be made of a payload that `parse` refused, for its id alone; never raises."""
        ...


def decode(payload: bytes, parser: Parser, shape: Callable[[object], Message]) -> Message:
    """The message in a payload; raises Malformed, with the request's id where it can be read.

    A device ignores an answer that does not carry its id (WIRE.md 6.3), so the id of a refused message is
    worth a second, lenient look.
    """
    if len(payload) > limits.MESSAGE:
        raise TooLarge(f"The message has {len(payload)} bytes; the limit is {limits.MESSAGE}.")
    try:
        value = parser.parse(payload)
    except Malformed as error:
        error.id = request_id(parser.salvage(payload))
        raise
    try:
        check(value)
        return shape(value)
    except Malformed as error:
        error.id = request_id(value)
        raise


def check(value: object) -> None:
    """Raises Malformed unless the value is JSON's kind of value within the bounds of WIRE.md 4.2.

    Level by level rather than by recursion, so that depth needs no stack.
    """
    level, depth = [value], 0
    while level:
        below: list[object] = []
        for one in level:
            if isinstance(one, str):
                _check_text(one)
            elif isinstance(one, (dict, list)):
                if depth == limits.DEPTH:
                    raise Malformed(f"The body is nested deeper than {limits.DEPTH} levels.")
                below.extend(one)
                if isinstance(one, dict):
                    below.extend(one.values())
            elif one is not None and not isinstance(one, bool):
                _check_number(one)
        level, depth = below, depth + 1


def request_id(value: object) -> str | None:
    """The `id` of a request that is refused, where it has one fit to be echoed."""
    id = value.get("id") if isinstance(value, dict) else None
    return id if isinstance(id, str) and len(id) <= limits.ID and _is_clean(id) else None


def _check_text(text: str) -> None:
    if not _is_clean(text):
        raise Malformed("A text in the body has a NUL or half a surrogate pair in it; send neither.")


def _check_number(number: object) -> None:
    if isinstance(number, int):
        if number not in limits.INTEGER:
            raise Malformed("An integer in the body does not fit 64 bits.")
    elif not isinstance(number, float):
        raise Malformed(
            "The body has a byte string or a simple value in it; send text, numbers, booleans, null."
        )
    elif not isfinite(number):
        raise Malformed("A number in the body is not finite, or too large for a 64-bit float.")


def _is_clean(text: str) -> bool:
    """Whether PostgreSQL can store the text: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
