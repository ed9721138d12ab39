"""Answers as plain maps, their keys in the order of WIRE.md, before a format makes bytes of them."""

from collections.abc import Mapping
from math import ceil

from provisioning.wire.messages import Accepted, Notify, Rejected


def item(correlation_id: str, type: str, params: Mapping[str, object]) -> dict[str, object]:
    """One command (WIRE.md 2.2); raises TypeError for a param that is neither text nor an integer."""
    return {"id": correlation_id, "type": type, "params": {key: param(one) for key, one in params.items()}}


def accepted(message: Accepted) -> dict[str, object]:
    """The answer to `results` (WIRE.md 3.3)."""
    body = {"status": message.status, "results": dict(message.results), "pending": message.pending}
    return _with_id(message.id, body)


def rejected(message: Rejected) -> dict[str, object]:
    """The refusal of either request (WIRE.md 4.1)."""
    body: dict[str, object] = {"code": message.code, "message": message.message}
    if message.retry_after is not None:
        # Rounded up: a device that comes back early is throttled again.
        body["retryAfter"] = ceil(message.retry_after)
    return _with_id(message.id, body)


def notify(message: Notify) -> dict[str, object]:
    """The news that there is work (WIRE.md 5.1)."""
    return {"pending": message.pending, "within": message.within}


def param(value: object) -> str | int:
    """One param as the owner posted it: PEM and hexadecimal are text, in cbor too (WIRE.md 2.2).

    Raises TypeError for what is neither text nor an integer.
    """
    if isinstance(value, str) or type(value) is int:
        return value
    raise TypeError(f"a command's params are text or integers, not {value.__class__.__name__}")


def _with_id(id: str | None, body: dict[str, object]) -> dict[str, object]:
    return body if id is None else {"id": id, **body}
