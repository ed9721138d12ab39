"""Decoded values become messages here, by one set of rules for every format (WIRE.md 2.1, 3.1, 4.3).

Unknown keys are ignored at every level; a known key with a wrong value makes the whole message Malformed.
"""

from collections.abc import Callable
from typing import Final

from provisioning.wire import limits
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Get, Result, Results

# WIRE.md 3.2; what else a device puts into a value is an unknown key.
_VALUE_KEYS: Final = ("publicKey", "csr")


def get(body: object) -> Get:
    """The `get` in a body; raises Malformed."""
    fields = _map(body, "The body")
    return Get(
        id=text(fields["id"], "id", limits.ID) if "id" in fields else None,
        after=_after(fields["after"]) if "after" in fields else None,
        limit=_limit(fields["limit"]) if "limit" in fields else limits.LIMIT_DEFAULT,
        rx_max_size=_size(fields["rxMaxSize"], "rxMaxSize", limits.RX_MIN)
        if "rxMaxSize" in fields
        else limits.RX_DEFAULT,
        tx_max_size=_size(fields["txMaxSize"], "txMaxSize", 0) if "txMaxSize" in fields else None,
        types=_types(fields["types"]) if "types" in fields else None,
        client=_client(fields["client"]) if "client" in fields else {},
    )


def results(body: object) -> Results:
    """The `results` in a body; raises Malformed where a single entry breaks the shape."""
    fields = _map(body, "The body")
    entries = array(fields.get("results"), "results", limits.RESULTS)
    return Results(
        id=text(fields["id"], "id", limits.ID) if "id" in fields else None,
        results=each(entries, "results", _result),
    )


def each(entries: list[object], name: str, read: Callable[[object], Result]) -> tuple[Result, ...]:
    """What `read` makes of every entry; raises its Malformed with `name` and the number of the entry."""
    made = []
    for index, entry in enumerate(entries):
        try:
            made.append(read(entry))
        except Malformed as error:
            raise Malformed(f"{name}[{index}]: {error.message}") from None
    return tuple(made)


def array(value: object, name: str, most: int) -> list[object]:
    """The value if it is a list that is not too long; raises Malformed."""
    if not isinstance(value, list) or len(value) > most:
        raise Malformed(f"{name} must be a list of at most {most} entries.")
    return value


def text(value: object, name: str, most: int) -> str:
    """The value if it is text that is not too long; raises Malformed."""
    if not isinstance(value, str) or len(value) > most:
        raise Malformed(f"{name} must be text of at most {most} characters.")
    return value


def _result(entry: object) -> Result:
    fields = _map(entry, "The entry")
    id = text(fields.get("id"), "id", limits.ID)
    ok, value, error = fields.get("ok"), fields.get("value"), fields.get("error")
    if ok is True:
        if error is not None:
            raise Malformed("An entry with ok true must have no error.")
        return Result(id=id, ok=True, value=_value(value))
    if ok is not False:
        raise Malformed("ok must be true or false.")
    if value is not None:
        raise Malformed("An entry with ok false must have no value.")
    fault = _map(error, "error")
    return Result(
        id=id,
        ok=False,
        code=_code(fault.get("code")),
        message=text(fault.get("message"), "error.message", limits.ERROR_MESSAGE),
    )


def _value(value: object) -> dict[str, object] | str | None:
    if value is None or isinstance(value, str):
        return value
    fields = _map(value, "value")
    return {key: text(fields[key], f"value.{key}", limits.MESSAGE) for key in _VALUE_KEYS if key in fields}


def _after(value: object) -> str | None:
    after = text(value, "after", limits.MESSAGE)
    # A hint only (WIRE.md 2.6): what is too long to be ours is no reason to refuse the device.
    return after if len(after) <= limits.CORRELATION else None


def _limit(value: object) -> int:
    # type() and not isinstance(): true is an int to Python, and no number to a device.
    if type(value) is not int or value not in limits.LIMIT:
        raise Malformed(f"limit must be an integer from {limits.LIMIT.start} to {limits.LIMIT.stop - 1}.")
    return value


def _size(value: object, name: str, least: int) -> int:
    if type(value) is not int or value < least:
        raise Malformed(f"{name} must be an integer, {least} or more.")
    return min(value, limits.SIZE_MAX)


def _types(value: object) -> frozenset[str]:
    return frozenset([text(one, "Each of types", limits.TYPE) for one in array(value, "types", limits.TYPES)])


def _client(value: object) -> dict[str, str]:
    pairs = _map(value, "client")
    if len(pairs) > limits.CLIENT_PAIRS:
        raise Malformed(f"client must have at most {limits.CLIENT_PAIRS} pairs.")
    return {
        text(key, "Each key of client", limits.CLIENT_TEXT): text(
            one, "Each value of client", limits.CLIENT_TEXT
        )
        for key, one in pairs.items()
    }


def _code(value: object) -> int:
    if type(value) is not int or value not in limits.ERROR_CODE:
        raise Malformed("error.code must be an integer of 32 bits, signed.")
    return value


def _map(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Malformed(f"{name} must be a map.")
    return value
