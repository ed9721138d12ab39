"""The `cbor` format: the same shapes as `json`, and of CBOR only what they need (WIRE.md 4.2, 8.1)."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Final, NoReturn, final

import cbor2

from provisioning.wire import limits, outbound, shapes, strict
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Accepted, Get, Item, Rejected, Results

_MAP: Final = 0xA0
ARRAY: Final = 0x80
_ID: Final = cbor2.dumps("id")
_STATUS: Final = cbor2.dumps("status")
_COMMANDS: Final = cbor2.dumps("commands")
_PENDING: Final = cbor2.dumps("pending")


@final
class Cbor:
    """The codec of `cbor`; see `codec.Codec` for what each method promises."""

    def decode_get(self, payload: bytes) -> Get:
        return strict.decode(payload, PARSER, shapes.get) if payload else Get()

    def decode_results(self, payload: bytes) -> Results:
        return strict.decode(payload, PARSER, shapes.results)

    def item(self, correlation_id: str, type: str, params: Mapping[str, object]) -> Item:
        return Item(cbor2.dumps(outbound.item(correlation_id, type, params)))

    def commands(self, id: str | None, status: str, items: Sequence[Item], pending: int) -> bytes:
        start = (head(_MAP, 3),) if id is None else (head(_MAP, 4), _ID, cbor2.dumps(id))
        status_pair = (_STATUS, cbor2.dumps(status))
        items_head = (_COMMANDS, head(ARRAY, len(items)))
        data = [item.data for item in items]
        return b"".join((*start, *status_pair, *items_head, *data, _PENDING, cbor2.dumps(pending)))

    def size(self, id: str | None, status: str, steps: int, items_size: int, pending: int) -> int:
        empty = len(self.commands(id, status, (), pending)) - len(head(ARRAY, 0))
        return empty + len(head(ARRAY, steps)) + items_size

    def accepted(self, message: Accepted) -> bytes:
        return cbor2.dumps(outbound.accepted(message))

    def rejected(self, message: Rejected) -> bytes:
        return cbor2.dumps(outbound.rejected(message))


def head(major: int, count: int) -> bytes:
    """The head of a container of `count`: that integer, shortest, under the container's own type bits."""
    if count < 24:
        return bytes((major | count,))
    count_bytes = cbor2.dumps(count)
    return bytes((major | count_bytes[0],)) + count_bytes[1:]


class _Parser:
    def parse(self, payload: bytes) -> object:
        stream = BytesIO(payload)
        try:
            # max_depth only bounds the work: cbor2 counts otherwise than WIRE.md 4.2; strict.check counts.
            # strict_hashable_types: thousands of integer keys with one hash would take a second.
            value = cbor2.CBORDecoder(
                stream,
                semantic_decoders=_REFUSED,
                max_depth=2 * limits.DEPTH,
                allow_duplicate_keys=False,
                strict_hashable_types=True,
            ).decode()
        except cbor2.CBORDecodeError as error:
            raise _reason(error) from None
        if stream.tell() != len(payload):
            raise Malformed("The body has bytes after its first CBOR item.")
        return value

    def salvage(self, payload: bytes) -> object:
        try:
            return cbor2.loads(payload, semantic_decoders=_DROPPED, strict_hashable_types=True)
        except cbor2.CBORDecodeError:
            return None


class _Tags(dict[int, Callable[[object, bool], object]]):
    """One decoder for every tag there is: cbor2 asks this mapping before it looks at its own decoders."""

    def __init__(self, decoder: Callable[[object, bool], object]) -> None:
        super().__init__()
        self._decoder = decoder

    def __missing__(self, tag: int) -> Callable[[object, bool], object]:
        return self._decoder


def _refuse(_value: object, _immutable: bool) -> NoReturn:
    raise Malformed("The body has a CBOR tag in it; send the value without.")


def _drop(_value: object, _immutable: bool) -> None:
    return None


def _reason(error: cbor2.CBORDecodeError) -> Malformed:
    if isinstance(error.__cause__, Malformed):
        return error.__cause__
    if isinstance(error, cbor2.CBORDecodeEOF):
        return Malformed("The body ends within a CBOR item.")
    return Malformed(
        "The body is not one CBOR item with text keys, no key twice, valid UTF-8"
        f" and at most {limits.DEPTH} levels."
    )


_REFUSED: Final = _Tags(_refuse)
_DROPPED: Final = _Tags(_drop)
PARSER: Final = _Parser()
