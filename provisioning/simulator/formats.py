"""Bytes and the values a device deals in, both ways. This file shares nothing with the service.

The wire is proven only if its two ends were written apart, so nothing here imports `provisioning.wire`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cbor2


class Format(StrEnum):
    """The formats this client speaks (WIRE.md 8.1)."""

    JSON = "json"
    CBOR = "cbor"


class Unreadable(ValueError):
    """The payload is no message of this protocol. A device takes it as no answer (WIRE.md 6.3)."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do (WIRE.md 2.2). `id` is the correlation id (WIRE.md 7.1)."""

    id: str
    type: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ok:
    """The command was done. `value` as WIRE.md 3.2, or None where the type has none."""

    value: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The command was not done. Codes: WIRE.md 3.1."""

    code: int
    message: str


Outcome = Ok | Failed


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the command with this correlation id."""

    id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Commands:
    """The answer to `get` (WIRE.md 2.2)."""

    id: str | None
    status: str
    commands: tuple[Command, ...]
    pending: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to `results`: they are stored (WIRE.md 3.3). `words` by correlation id."""

    id: str | None
    status: str
    words: Mapping[str, str]
    pending: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request was refused and nothing was stored (WIRE.md 4.1). `retry_after` in seconds."""

    id: str | None
    code: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Notify:
    """There is work: pull at a random moment in the next `within` seconds (WIRE.md 5.1)."""

    within: float


Message = Commands | Accepted | Rejected | Notify

# WIRE.md 3.1: the service refuses a longer text, and with it the whole message (4.3).
MAX_ERROR_MESSAGE = 1024

# A day: longer than any wait that the service asks for (WIRE.md 4.1, 5.1).
LONGEST_WAIT = 86_400


def encode(form: Format, body: Mapping[str, Any]) -> bytes:
    """The body as bytes; in cbor with definite lengths and shortest integers (WIRE.md 8.1)."""
    if form is Format.CBOR:
        return cbor2.dumps(body)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def decode(form: Format, payload: bytes) -> Any:
    """The payload as plain values. Raises Unreadable."""
    try:
        return cbor2.loads(payload) if form is Format.CBOR else json.loads(payload)
    except (ValueError, TypeError, EOFError, RecursionError, cbor2.CBORDecodeError) as error:
        raise Unreadable(f"not {form}: {error}") from error


def read(form: Format, verb: str, payload: bytes) -> Message:
    """The message that came on a topic ending in `verb`; unknown keys are ignored. Raises Unreadable."""
    body = decode(Format.JSON if verb == "notify" else form, payload)
    match verb, body:
        case "commands", {"status": str(status), "commands": list(commands), "pending": int(pending)}:
            return Commands(_id(body), status, tuple(map(_command, commands)), pending)
        case "accepted", {"status": str(status), "results": dict(words), "pending": int(pending)}:
            return Accepted(_id(body), status, _texts(words), pending)
        case "rejected", {"code": str(code)}:
            return Rejected(_id(body), code, _seconds(body.get("retryAfter")))
        case "notify", {"within": int() | float() as within}:
            return Notify(_seconds(within) or 0.0)
    raise Unreadable(f"no message of the kind {verb}")


def write_result(result: Result) -> dict[str, Any]:
    """One entry of `results` (WIRE.md 3.1)."""
    match result.outcome:
        case Ok(None):
            return {"id": result.id, "ok": True}
        case Ok(value):
            return {"id": result.id, "ok": True, "value": value}
        case Failed(code, message):
            return {
                "id": result.id,
                "ok": False,
                "error": {"code": code, "message": message[:MAX_ERROR_MESSAGE]},
            }


def write_results(results: Sequence[Result]) -> dict[str, Any]:
    """The body of `results`, in the order in which the commands were done (WIRE.md 3.4)."""
    return {"results": [write_result(result) for result in results]}


def freeze(result: Result) -> bytes:
    """A result as a device keeps it in its flash (WIRE.md 6.2)."""
    return encode(Format.CBOR, write_result(result))


def thaw(kept: bytes) -> Result:
    """What `freeze` made. Raises Unreadable when the flash holds something else."""
    match decode(Format.CBOR, kept):
        case {"id": str(correlation), "ok": True, "value": dict(value)}:
            return Result(correlation, Ok(_texts(value)))
        case {"id": str(correlation), "ok": True}:
            return Result(correlation, Ok())
    raise Unreadable("not a kept result")


def _command(item: object) -> Command:
    match item:
        case {"id": str(correlation), "type": str(kind), "params": dict(params)}:
            return Command(correlation, kind, params)
    raise Unreadable("a command without id, type and params")


def _id(body: Mapping[str, Any]) -> str | None:
    echoed = body.get("id")
    return echoed if isinstance(echoed, str) else None


def _texts(pairs: Mapping[Any, Any]) -> dict[str, str]:
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise Unreadable("not a map of text to text")
    return dict(pairs)


def _seconds(value: object) -> float | None:
    """Bounded, so that no message can put a device to sleep for good; NaN compares false and so is none."""
    if isinstance(value, int | float) and value >= 0:
        return float(min(value, LONGEST_WAIT))
    return None
