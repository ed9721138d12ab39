"""What devices and service say to each other, as values: complete, frozen, the same in every format."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioning.wire import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """A device asks for commands, on connect, on its interval, after `accepted` or `notify` (WIRE.md 2.1).

    `after` is a hint, None too where it is too long for a correlation id. `rx_max_size` and `tx_max_size`
    are bytes, at most 2^31-1. `types` None means that the device can do every type.
    """

    id: str | None = None
    after: str | None = None
    limit: int = limits.LIMIT_DEFAULT
    rx_max_size: int = limits.RX_DEFAULT
    tx_max_size: int | None = None
    types: frozenset[str] | None = None
    client: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One command, encoded by a format, and what it costs in an answer.

    `steps` count for `limit`: a format may send one command in several. `reply` is about how many bytes the
    device's results for it will take, 0 where nobody need know. `alone`: nothing else goes with it.
    """

    data: bytes = field(repr=False)
    steps: int = 1
    reply: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one command: one entry of `Results` (WIRE.md 3.1, 3.2).

    `id` is the correlation id as the device sent it, ours or not. With `ok`, `value` is a map of
    `publicKey` and `csr` as far as given, a modem-style text, or None, and `code` and `message` are None.
    Without `ok`, `code` and `message` are given and `value` is None.
    """

    id: str
    ok: bool
    value: Mapping[str, object] | str | None = None
    code: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A device reports what it did, in its order, again until it is accepted (WIRE.md 3.1, 6.3)."""

    id: str | None = None
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to `Results`, sent after commit: a word for each correlation id (WIRE.md 3.3).

    `pending` is what a `get` now would bring (WIRE.md 2.2).
    """

    id: str | None = None
    status: str
    results: Mapping[str, str]
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The answer to a message of which nothing was stored (WIRE.md 4.1).

    `code` is a key of `rejections.REJECTIONS`. `retry_after` is in seconds and goes out rounded up to
    whole ones.
    """

    id: str | None = None
    code: str
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """A commit gave the device work: pull at a random moment in the next `within` seconds (WIRE.md 5.1)."""

    pending: int
    within: int
