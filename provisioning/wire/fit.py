"""How much of an answer goes into what a device can receive (WIRE.md 2.4)."""

from collections.abc import Sequence

from provisioning.wire import limits
from provisioning.wire.codec import Codec


def fit(
    codec: Codec,
    get_id: str | None,
    status: str,
    items: Sequence[bytes],
    total: int,
    rx_max_size: int,
    limit: int,
) -> int:
    """How many of the leading `items` one `commands` message may hold.

    `items` are encoded commands in list order, `total` is how many a device could get now (at least
    `len(items)`): `pending` is what remains of it, and its digits count too. 0 with items means that the
    first one can never fit. No answer is over `limits.ANSWER`, whatever the device says it can take.
    """
    budget = min(rx_max_size, limits.ANSWER)
    count = min(limit, len(items))
    size = sum(map(len, items[:count]))
    # From all downwards: nearly always all fit, and the first question is the last.
    while count > 0 and codec.size(get_id, status, count, size, total - count) > budget:
        count -= 1
        size -= len(items[count])
    return count
