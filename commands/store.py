"""Reads and writes command lists as values of the machine. A command's state reaches the database only here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from commands import machine
from commands.catalogue import TYPES
from commands.machine import Error, ErrorCode, State
from commands.models import Command
from commands.status import Run
from devices import rows
from devices.row import DeviceRow

_READ = (
    "device_id",
    "id",
    "position",
    "part",
    "type",
    "status",
    "attempt",
    "deliveries",
    "served_at",
    "closed_at",
    "response",
    "error",
    "digest",
    "issue",
    "has_secrets",
)
_WRITTEN = {
    "id": "uuid",
    "status": "text",
    "attempt": "integer",
    "deliveries": "integer",
    "served_at": "timestamptz",
    "closed_at": "timestamptz",
    "response": "jsonb",
    "error": "jsonb",
    "digest": "text",
    "secrets": "boolean",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A device's run, and by id the commands of closed runs that were asked for."""

    run: Run
    past: Mapping[UUID, machine.Command] = field(default_factory=dict)

    @property
    def all(self) -> list[machine.Command]:
        """Every command that was read."""
        return [*self.run.commands, *self.past.values()]


@dataclass(frozen=True, slots=True)
class Content:
    """What a command carries to its device: `params` with masks, and the sealed secrets."""

    params: Mapping[str, object]
    secrets: str | None


def load(devices: Mapping[UUID, DeviceRow], also: Collection[UUID] = ()) -> dict[UUID, Loaded]:
    """The runs of these held devices, in one statement; `also` are ids of commands that may be of closed runs."""
    wanted = Q(position__gt=F("device__closed_through"))
    if also:
        wanted |= Q(id__in=also)
    found: dict[UUID, list[machine.Command]] = {device_id: [] for device_id in devices}
    for device_id, command in _values(Command.objects.filter(wanted, device_id__in=devices.keys())):
        found[device_id].append(command)
    return {device_id: _loaded(devices[device_id], commands) for device_id, commands in found.items()}


def _loaded(device: DeviceRow, commands: Iterable[machine.Command]) -> Loaded:
    current, past = [], {}
    for command in commands:
        if command.position > device.closed_through:
            current.append(command)
        else:
            past[command.id] = command
    return Loaded(Run(tuple(current), device.closed_through, device.blocked), past)


def load_last(device: DeviceRow) -> Run:
    """The run that closed before the current one, as it was before it closed; empty if there is none."""
    closed = Command.objects.filter(device_id=device.id, position__lte=device.closed_through)
    ends = closed.filter(type="finished", status=State.SUCCEEDED.value, position__lt=device.closed_through)
    before = ends.order_by("-position").values_list("position", flat=True).first() or 0
    commands = [command for _, command in _values(closed.filter(position__gt=before))]
    return Run(tuple(commands), before, device.blocked)


def contents(device_ids: Collection[UUID]) -> dict[UUID, Content]:
    """By command id, what the open commands of these devices carry."""
    waiting = Command.objects.filter(
        device_id__in=device_ids,
        status__in=[state.value for state in machine.OPEN],
        position__gt=F("device__closed_through"),
    )
    return {row[0]: Content(row[1], row[2]) for row in waiting.values_list("id", "request", "secrets")}


def write(before: Iterable[machine.Command], after: Iterable[machine.Command]) -> None:
    """Writes what differs: changed commands in one statement, gone ones in another."""
    write_all([(before, after)])


def write_all(lists: Sequence[tuple[Iterable[machine.Command], Iterable[machine.Command]]]) -> None:
    """`write` for the lists of many devices, with the same two statements."""
    changed: list[list[rows.Value]] = []
    gone: list[UUID] = []
    for before, after in lists:
        kept = {command.id: command for command in after}
        for old in before:
            new = kept.get(old.id)
            if new is None:
                gone.append(old.id)
            elif new is not old:
                changed.append(_row(new))
    rows.update("commands_command", _WRITTEN, changed, secrets="CASE WHEN {v} THEN t.secrets ELSE NULL END")
    if gone:
        Command.objects.filter(id__in=gone).delete()


def _row(command: machine.Command) -> list[rows.Value]:
    return [
        command.id,
        command.state.value,
        command.attempt,
        command.deliveries,
        command.served_at,
        command.closed_at,
        command.response,
        _error_row(command.error),
        command.digest,
        command.has_secrets,
    ]


def _error_row(error: Error | None) -> Mapping[str, object] | None:
    if error is None:
        return None
    return {"code": error.code.value, "message": error.message, "detail": error.detail}


def _values(found: QuerySet[Command]) -> Iterable[tuple[UUID, machine.Command]]:
    has_secrets = ExpressionWrapper(Q(secrets__isnull=False), output_field=BooleanField())
    ordered = found.order_by("device_id", "position", "part").annotate(has_secrets=has_secrets)
    for device_id, *row in ordered.values_list(*_READ):
        yield device_id, _value(*row)


def _value(
    id: UUID,
    position: int,
    part: int,
    type: str,
    status: str,
    attempt: int,
    deliveries: int,
    served_at: datetime | None,
    closed_at: datetime | None,
    response: Mapping[str, str] | None,
    error: Mapping[str, Any] | None,
    digest: str | None,
    issue: Mapping[str, str] | None,
    has_secrets: bool,
) -> machine.Command:
    return machine.Command(
        id=id,
        position=position,
        kind=TYPES[type].kind,
        type=type,
        state=State(status),
        attempt=attempt,
        deliveries=deliveries,
        served_at=served_at,
        closed_at=closed_at,
        response=response,
        error=Error(ErrorCode(error["code"]), error["message"], error["detail"]) if error else None,
        digest=digest,
        has_secrets=has_secrets,
        issue=issue.get("approval", "auto") if issue is not None else None,
        child=part > 0,
    )
