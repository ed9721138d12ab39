"""The `nrf` format: what Nordic's nrf_provisioning library speaks (WIRE.md 8.2).

A command is one or more steps for the device, each a flat CBOR list with an id of its own; the last step has
the command's. What the library has no word for (`status`, `pending`, `accepted`) is not sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import cbor2

from provisioning.wire import cbor_format, correlation, limits, modem, responses, strict
from provisioning.wire.errors import Unfit
from provisioning.wire.messages import Accepted, Get, Item, Rejected, Results

_AT, _CONFIG, _FINISHED = range(3)
# What the library holds of one step.
_PAIRS: Final = 10
# What a device's buffer of 1,792 bytes for one AT line holds beside a NUL, unless it was built with a larger one.
_LINE: Final = 1791

# The responses, in bytes: a list with no text in it, the longest text of a modem that made nothing, and the quoted
# CSR of one that did with what is around it.
_ACK: Final = 10
_SAID: Final = len("+CME ERROR: 513\r\n")
_MADE: Final = 565 + 25 + 50

_CBOR: Final = cbor_format.Cbor()


@final
class Nrf:
    """The codec of `nrf`; see `codec.Codec` for what each method promises."""

    def decode_get(self, payload: bytes) -> Get:
        return _CBOR.decode_get(payload)

    def decode_results(self, payload: bytes) -> Results:
        return strict.decode(payload, cbor_format.PARSER, responses.results)

    def item(self, correlation_id: str, type: str, params: Mapping[str, object]) -> Item:
        steps = _steps(type, params)
        names = _names(correlation_id, len(steps))
        return Item(
            b"".join([cbor2.dumps([name, *step.rest]) for name, step in zip(names, steps, strict=True)]),
            steps=len(steps),
            reply=sum(
                [step.made or len(name) + _ACK + step.said for name, step in zip(names, steps, strict=True)]
            ),
            alone=any(step.line > _LINE for step in steps),
        )

    def commands(self, id: str | None, status: str, items: Sequence[Item], pending: int) -> bytes:
        if not items:
            return b""
        head = cbor_format.head(cbor_format.ARRAY, sum([item.steps for item in items]))
        return b"".join((head, *[item.data for item in items]))

    def size(self, id: str | None, status: str, steps: int, items_size: int, pending: int) -> int:
        return len(cbor_format.head(cbor_format.ARRAY, steps)) + items_size if steps else 0

    def accepted(self, message: Accepted) -> bytes:
        return b""

    def rejected(self, message: Rejected) -> bytes:
        return _CBOR.rejected(message)


@dataclass(frozen=True, slots=True)
class _Step:
    """What follows the id; the bytes of its AT line, of what the modem says to it, and of the whole response
    where the modem makes something.
    """

    rest: tuple[object, ...] = field(repr=False)
    line: int = 0
    said: int = 0
    made: int = 0


def _steps(type: str, params: Mapping[str, object]) -> list[_Step]:
    if type == "finished":
        return [_Step((_FINISHED,))]
    if type == "config":
        pairs = [(name, _setting(value)) for name, value in params.items()]
        starts = range(0, max(1, len(pairs)), _PAIRS)
        return [_Step((_CONFIG, dict(pairs[start : start + _PAIRS]))) for start in starts]
    if type not in modem.LINES:
        raise Unfit(f"A device that speaks nrf has no way to do {type}. Skip it.")
    lines = modem.lines(type, params)
    made = _MADE + len(str(params.get("attributes", "")).encode())
    return [
        _Step(
            (_AT, one.command, one.parameters, list(one.ignored)), one.size, _SAID, made if one.output else 0
        )
        for one in lines
    ]


def _setting(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"settings are text, not {value.__class__.__name__}")


def _names(id: str, count: int) -> tuple[str, ...]:
    """The ids of the steps: the library copies them into room for so many characters, and looks no further."""
    if count > correlation.STEPS_MOST:
        raise Unfit(
            f"It takes {count} steps, and can have {correlation.STEPS_MOST}. Send less in one command."
        )
    names = correlation.steps(id, count)
    if max(map(len, names)) > limits.CORRELATION:
        raise Unfit("It was reset too often: the ids of its steps are too long. Skip it and add it anew.")
    return names
