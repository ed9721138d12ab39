"""What a format must be able to do, and the formats there are (WIRE.md 8).

A codec knows bytes and messages, and nothing of devices, commands or time.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from provisioning.wire import json_format
from provisioning.wire.cbor_format import Cbor
from provisioning.wire.errors import UnsupportedFormat
from provisioning.wire.json_format import Json
from provisioning.wire.messages import Accepted, Get, Item, Notify, Rejected, Results
from provisioning.wire.nrf_format import Nrf


class Codec(Protocol):
    """One format, both ways. What comes in is hostile; what goes out is ours and not checked again."""

    def decode_get(self, payload: bytes) -> Get:
        """Read a `get`, of which no bytes at all is one; raises Malformed, nothing else, on any payload."""
        ...

    def decode_results(self, payload: bytes) -> Results:
        """Read `results`; raises Malformed, nothing else, on any payload."""
        ...

    def item(self, correlation_id: str, type: str, params: Mapping[str, object]) -> Item:
        """Encode one command, its params as the owner posted them (WIRE.md 2.2).

        Raises TypeError for a param that is neither text nor an integer, Unfit for what the format cannot say.
        """
        ...

    def commands(self, id: str | None, status: str, items: Sequence[Item], pending: int) -> bytes:
        """Join encoded commands into the answer to `get`: the bytes that encoding it at once would give."""
        ...

    def size(self, id: str | None, status: str, steps: int, items_size: int, pending: int) -> int:
        """The length of `commands` for that many steps of that many bytes in all, without building it."""
        ...

    def accepted(self, message: Accepted) -> bytes:
        """Encode the answer to stored `results`."""
        ...

    def rejected(self, message: Rejected) -> bytes:
        """Encode the refusal of either request."""
        ...


CODECS: Final[Mapping[str, Codec]] = MappingProxyType({"json": Json(), "cbor": Cbor(), "nrf": Nrf()})


def named(format: str) -> Codec:
    """The codec of a topic's format; raises UnsupportedFormat, whose message names the formats there are."""
    try:
        return CODECS[format]
    except KeyError:
        known = ", ".join(sorted(CODECS))
        raise UnsupportedFormat(f"The service speaks {known}.") from None


def answering(format: str) -> Codec:
    """The codec that refusals go out in: the device's own, or `json` where its format is unknown.

    A refusal of an unknown format goes to the `rejected` topic of that very format: it is the one the device
    listens on, and JSON is what a person who looks at it can read.
    """
    return CODECS.get(format, CODECS["json"])


def notify(message: Notify) -> bytes:
    """The bytes of a `notify`: JSON for every device, for its topic has no format (WIRE.md 5.1)."""
    return json_format.notify(message)
