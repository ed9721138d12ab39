"""What a modem answered, as results: `[1* response]` of the `nrf` format (WIRE.md 8.2).

A response is a flat list that starts with the id of a step and the number of its kind.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from provisioning.wire import correlation, limits, shapes
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Result, Results

# The rest of a modem's reply, line ends and OK, may be there or not.
# A modem's error without a number, which the library takes for a reply.
_PLAIN_ERROR: Final = re.compile(r"\s*ERROR\s*")
_OUTPUT: Final = re.compile(r'%KEYGEN: *"([^"]*)"')


def results(body: object) -> Results:
    """The results in a body, by command: none for a helper step that went well, its command's for one that failed.

    Raises Malformed where a single response breaks the shape.
    """
    entries = shapes.array(body, "The body", limits.RESULTS)
    if not entries:
        raise Malformed("The body has no response in it; send nothing where there is none.")
    steps = shapes.each(entries, "responses", _step)
    return Results(results=tuple([result for step in steps for result in _of_command(step)]))


def _of_command(step: Result) -> tuple[Result, ...]:
    helped = correlation.helped(step.id)
    if helped is None:
        return (step,)
    return () if step.ok else (replace(step, id=helped),)


def _step(entry: object) -> Result:
    fields = shapes.array(entry, "The response", _FIELDS_MOST)
    if len(fields) < 2:
        raise Malformed("The response must begin with an id and a number.")
    id = shapes.text(fields[0], "The id", limits.ID)
    # type() and not isinstance(): true is an int to Python, and no number to a device.
    known = _KINDS.get(fields[1]) if type(fields[1]) is int else None
    if known is None:
        raise Malformed("The second of a response must be 99, 100, 101 or 102.")
    length, read = known
    if len(fields) != length:
        raise Malformed(f"A response {fields[1]} must have {length} values.")
    return read(id, fields[2:])


def _error(id: str, fields: list[object]) -> Result:
    code, message = fields
    if type(code) is not int or code not in _CODES:
        raise Malformed(f"The error code must be an integer from 0 to {_CODES.stop - 1}.")
    said = shapes.text(message, "The message", limits.MESSAGE)
    # The device sends what its modem said, as long as that is.
    return Result(id=id, ok=False, code=code, message=said[: limits.ERROR_MESSAGE])


def _reply(id: str, fields: list[object]) -> Result:
    said = shapes.text(fields[0], "The message", limits.MESSAGE)
    if _PLAIN_ERROR.fullmatch(said):
        return Result(id=id, ok=False, code=0, message="ERROR")
    output = _OUTPUT.search(said)
    return Result(id=id, ok=True, value=output and output[1])


def _done(id: str, _: list[object]) -> Result:
    return Result(id=id, ok=True)


_CODES: Final = range(limits.ERROR_CODE.stop)
_FIELDS_MOST: Final = 4
_KINDS: Final[Mapping[int, tuple[int, Callable[[str, list[object]], Result]]]] = MappingProxyType(
    {99: (_FIELDS_MOST, _error), 100: (3, _reply), 101: (2, _done), 102: (2, _done)}
)
