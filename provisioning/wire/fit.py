"""How much of an answer goes into what a device can receive, hold and report on (WIRE.md 2.4)."""

from collections.abc import Sequence

from provisioning.wire import limits
from provisioning.wire.codec import Codec
from provisioning.wire.messages import Get, Item


def fit(codec: Codec, get: Get, status: str, items: Sequence[Item], total: int) -> int:
    """How many of the leading `items` one answer to `get` may hold.

    `items` are encoded commands in list order, `total` is how many a device could get now (at least
    `len(items)`): `pending` is what remains of it, and its digits count too. 0 with items means that the
    first one can never fit. No answer is over `limits.ANSWER`, whatever the device says it can take.
    """
    budget = min(get.rx_max_size, limits.ANSWER)
    count = _countable(items, get)
    size, steps = sum(len(item.data) for item in items[:count]), sum(item.steps for item in items[:count])
    # From all downwards: nearly always all fit, and the first question is the last.
    while count > 0 and codec.size(get.id, status, steps, size, total - count) > budget:
        count -= 1
        size -= len(items[count].data)
        steps -= items[count].steps
    return count


def _countable(items: Sequence[Item], get: Get) -> int:
    """How many may go by their number of steps, the size of their results, and their company.

    What the first one's results will take is an estimate: it goes, and the device says if it cannot.
    """
    steps = reply = 0
    for count, item in enumerate(items):
        steps, reply = steps + item.steps, reply + item.reply
        if steps > get.limit:
            return count
        if count and (
            item.alone or items[0].alone or (get.tx_max_size is not None and reply > get.tx_max_size)
        ):
            return count
    return len(items)
