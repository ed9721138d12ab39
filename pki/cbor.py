"""A strict reader of what modems sign in CBOR: one small item, no tags, no key twice, nothing behind it."""

from collections.abc import Callable
from io import BytesIO
from typing import NoReturn

import cbor2

_DEPTH = 4  # far above what a modem writes


class Malformed(ValueError):
    """The bytes are not one such item."""


def read(data: bytes) -> object:
    """The item that `data` consists of; raises Malformed. The caller bounds the size.

    Keys may be integers, as COSE has them, which the library would refuse under `strict_hashable_types`. Within
    16 KiB and without tags, so without numbers beyond 64 bits, too few keys can share a hash to cost time.
    """
    stream = BytesIO(data)
    try:
        value: object = cbor2.CBORDecoder(
            stream, semantic_decoders=_NO_TAGS, max_depth=_DEPTH, allow_duplicate_keys=False
        ).decode()
    except cbor2.CBORDecodeError:
        raise Malformed("not one CBOR item without tags") from None
    if stream.tell() != len(data):
        raise Malformed("bytes behind the item")
    return value


class _NoTags(dict[int, Callable[[object, bool], object]]):
    """A refusal for every tag there is: cbor2 asks this mapping before it looks at its own decoders."""

    def __missing__(self, tag: int) -> Callable[[object, bool], object]:
        return _refuse


def _refuse(_value: object, _immutable: bool) -> NoReturn:
    raise Malformed("a tag")


_NO_TAGS = _NoTags()
