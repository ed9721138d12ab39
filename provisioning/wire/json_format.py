"""The `json` format: UTF-8 in and out, nothing Python adds to JSON is let in (WIRE.md 4.2, 8.1)."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, final

from provisioning.wire import limits, outbound, shapes, strict
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Accepted, Get, Item, Notify, Rejected, Results

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


@final
class Json:
    """The codec of `json`; see `codec.Codec` for what each method promises."""

    def decode_get(self, payload: bytes) -> Get:
        return strict.decode(payload, _PARSER, shapes.get) if payload else Get()

    def decode_results(self, payload: bytes) -> Results:
        return strict.decode(payload, _PARSER, shapes.results)

    def item(self, correlation_id: str, type: str, params: Mapping[str, object]) -> Item:
        return Item(_encode(outbound.item(correlation_id, type, params)).encode())

    def commands(self, id: str | None, status: str, items: Sequence[Item], pending: int) -> bytes:
        head = "" if id is None else f'"id":{_encode(id)},'
        start = f'{{{head}"status":{_encode(status)},"commands":['.encode()
        return b'%b%b],"pending":%d}' % (start, b",".join([item.data for item in items]), pending)

    def size(self, id: str | None, status: str, steps: int, items_size: int, pending: int) -> int:
        return len(self.commands(id, status, (), pending)) + items_size + max(0, steps - 1)

    def accepted(self, message: Accepted) -> bytes:
        return _encode(outbound.accepted(message)).encode()

    def rejected(self, message: Rejected) -> bytes:
        return _encode(outbound.rejected(message)).encode()


def notify(message: Notify) -> bytes:
    """See `codec.notify`."""
    return _encode(outbound.notify(message)).encode()


class _Parser:
    def parse(self, payload: bytes) -> object:
        try:
            return _strict.decode(payload.decode())
        except Malformed:
            raise
        except UnicodeDecodeError as error:
            raise Malformed(f"The body is not UTF-8 at byte {error.start}.") from None
        except json.JSONDecodeError as error:
            raise Malformed(f"The body is not one JSON value at character {error.pos}.") from None
        except RecursionError:
            raise Malformed(f"The body is nested deeper than {limits.DEPTH} levels.") from None

    def salvage(self, payload: bytes) -> object:
        try:
            return _lenient.raw_decode(payload.decode().lstrip("\ufeff \t\r\n"))[0]
        except (ValueError, RecursionError):
            return None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("A map in the body has the same key twice.")
    return fields


def _integer(digits: str) -> int:
    # Before int(): its time grows with the square of the digits (and it raises past 4,300).
    if len(digits) > limits.INTEGER_DIGITS:
        raise Malformed("An integer in the body does not fit 64 bits.")
    return int(digits)


# NaN and the infinities come out as floats, which strict.check refuses.
_strict: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer)
# float() takes any digits in linear time; no number is read from what is salvaged.
_lenient: Final = json.JSONDecoder(strict=False, parse_int=float)
_PARSER: Final = _Parser()
