"""Command lists in few words, for the tests of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from commands.catalogue import TYPES
from commands.machine import Command, Error, ErrorCode, State
from commands.status import Run

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

SHORT = {
    "config": "config",
    "key": "clientPrivateKeyGeneration",
    "access": "cloudAccessKeyGeneration",
    "csr": "certificateSigningRequest",
    "certificate": "clientCertificate",
    "psk": "preSharedKey",
    "finished": "finished",
}


def uuid(number: int) -> UUID:
    """The id of the command at this position."""
    return UUID(int=number)


def command(position: int, name: str = "config", state: State = State.PENDING, **more: object) -> Command:
    """The command at this position; `name` is a key of SHORT, `auto` or `manual` for a CSR with `issue`.

    One in progress was served once, a second ago; a closed one closed then; a failed one is the device's.
    """
    issue = name if name in ("auto", "manual") else None
    type = SHORT["csr" if issue else name]
    made = Command(uuid(position), position, TYPES[type].kind, type, state, issue=issue)
    if state is State.IN_PROGRESS:
        made = replace(made, deliveries=1, served_at=NOW - SECOND)
    elif state is not State.PENDING:
        made = replace(made, served_at=NOW - 2 * SECOND, closed_at=NOW - SECOND, digest="first")
    if state is State.FAILED:
        made = replace(made, error=Error(ErrorCode.DEVICE, "no room", 3))
    return replace(made, **more)  # type: ignore[arg-type]


def child(position: int, state: State = State.PENDING, **more: object) -> Command:
    """The certificate made from the request at this position."""
    return command(position, "certificate", state, **{"id": uuid(1000 + position), "child": True, **more})


def run(*commands: Command, closed_through: int = 0, blocked: bool = False) -> Run:
    """The run of these commands."""
    return Run(commands, closed_through, blocked)


def states(run: Run) -> list[State]:
    """The states of a run's commands, in order."""
    return [command.state for command in run.commands]


def past(*commands: Command) -> Mapping[UUID, Command]:
    """Commands of closed runs by id."""
    return {command.id: command for command in commands}
