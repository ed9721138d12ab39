"""A device's commands as its page shows them: in order, bounded, every secret a mask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from commands import limits, machine, store
from commands.machine import State
from commands.models import Command
from commands.status import Run
from devices import store as device_store
from devices.admin.labels import label
from devices.models import Device
from tenants.admin.times import clock

SHOWN = (
    "id",
    "device_id",
    "position",
    "part",
    "type",
    "description",
    "request",
    "issue",
    "status",
    "attempt",
    "deliveries",
    "response",
    "error",
    "created_at",
    "served_at",
    "closed_at",
)
"""The columns that are read: not the sealed secrets, and no digest."""

MOST = limits.MAX_RUN
TEXT_MOST = 4_000
"""Characters of a request or response on the page; the API has all of them."""

COLOURS: Mapping[str, str] = {
    State.PENDING: "default",
    State.IN_PROGRESS: "info",
    State.SUCCEEDED: "success",
    State.FAILED: "danger",
    State.SKIPPED: "warning",
}


@dataclass(frozen=True, slots=True)
class Button:
    """A repair that is legal now and allowed to this operator."""

    word: str
    link: str
    danger: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One command; times as `tenants.admin.times.clock` makes them, contents as readable JSON."""

    id: UUID
    name: str
    description: str
    state: SafeString
    attempt: int
    deliveries: int
    times: Sequence[tuple[str, SafeString]]
    error: str
    request: str
    response: str
    buttons: Sequence[Button]


Buttons = Callable[[Command], Sequence[Button]]


def run(device: Device) -> Run:
    """The current run."""
    return store.load({device.id: device_store.row(device)})[device.id].run


def last_run(device: Device) -> Run:
    """The run that closed before the current one."""
    return store.load_last(device_store.row(device))


def current(device: Device) -> QuerySet[Command]:
    """The first `MOST` commands of the current run, in order."""
    return _columns(device).filter(position__gt=device.closed_through).order_by("position", "part")[:MOST]


def earlier(device: Device) -> QuerySet[Command]:
    """The last `MOST` commands of closed runs, newest first."""
    closed = _columns(device).filter(position__lte=device.closed_through)
    return closed.order_by("-position", "-part")[:MOST]


def _columns(device: Device) -> QuerySet[Command]:
    return Command.objects.filter(device=device).only(*SHOWN)


def lines(commands: Iterable[Command], buttons: Buttons) -> list[Line]:
    """Each command as it is shown."""
    return [_line(command, buttons(command)) for command in commands]


def name(command: Command | machine.Command) -> str:
    """What an operator calls it: its position and type."""
    part = command.part if isinstance(command, Command) else command.child
    return f"{command.position}{'b' if part else ''} {command.type}"


def _line(command: Command, buttons: Sequence[Button]) -> Line:
    times = (("created", command.created_at), ("served", command.served_at), ("closed", command.closed_at))
    return Line(
        command.id,
        name(command),
        command.description,
        label(command.status, COLOURS),
        command.attempt,
        command.deliveries,
        [(word, clock(at)) for word, at in times],
        _error(command.error),
        _text({command.type: command.request, **({"issue": command.issue} if command.issue else {})}),
        _text(command.response) if command.response else "",
        buttons,
    )


def _error(error: Mapping[str, Any] | None) -> str:
    if error is None:
        return ""
    number = f" {error['detail']}" if error.get("detail") is not None else ""
    return f"{error['code']}{number}: {error['message']}"


def _text(content: object) -> str:
    text = json.dumps(content, indent=2, ensure_ascii=False).replace("\\n", "\n")
    more = len(text) - TEXT_MOST
    return text if more <= 0 else f"{text[:TEXT_MOST]}\n… and {more} more characters"
