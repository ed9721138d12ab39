"""Judges what a device says became of a command, before the machine sees it. Source: WIRE.md 3.1, 3.2, 3.5."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from uuid import UUID

from commands.device_errors import sentence
from commands.machine import Error, ErrorCode, Kind
from commands.run import Answer
from pki import requests
from pki.errors import Invalid


def failure(command_id: UUID, attempt: int, code: int, message: str) -> Answer:
    """The answer that says that the device could not do it."""
    error = Error(ErrorCode.DEVICE, sentence(code, message), code)
    return Answer(command_id, attempt, _digest([code, message]), error=error)


def success(command_id: UUID, attempt: int, kind: Kind, value: Mapping[str, object] | str | None) -> Answer:
    """The answer that says that the device did it; a value that does not hold becomes a `BAD_RESULT`."""
    if kind not in (Kind.KEY, Kind.CSR):
        return Answer(command_id, attempt, _digest(["ok"]))
    kept = _kept(kind, value)
    digest = _digest(["ok", kept])
    try:
        _check(kind, kept)
    except Invalid as invalid:
        error = Error(ErrorCode.BAD_RESULT, invalid.reason)
        return Answer(command_id, attempt, digest, kept, error)
    return Answer(command_id, attempt, digest, kept)


def _kept(kind: Kind, value: Mapping[str, object] | str | None) -> dict[str, str]:
    """The value under the names of WIRE.md 3.2; a bare text is modem style."""
    if isinstance(value, str):
        return {"csr" if kind is Kind.CSR else "publicKey": value}
    return {name: str(value[name]) for name in ("publicKey", "csr") if value and name in value}


def _check(kind: Kind, kept: Mapping[str, str]) -> None:
    needed = "csr" if kind is Kind.CSR else "publicKey"
    if needed not in kept:
        raise Invalid(f"The result has no `{needed}`: the device must send what it made.")
    key = requests.read_public_key(kept["publicKey"]) if "publicKey" in kept else None
    if "csr" in kept:
        csr = requests.read_csr(kept["csr"])
        if key is not None and requests.public_key_of(csr) != key:
            raise Invalid("The certificate request is for another key than `publicKey`.")


def _digest(outcome: list[object]) -> str:
    text = json.dumps(outcome, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()
