"""The service on one device, without a database: a list is read, folded and kept as the shell does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import cbor2

from commands import run as rules
from commands.machine import Command, Kind, State
from commands.status import Run, status
from devices.row import DeviceRow
from devices.status import Status
from provisioning.fold import Fold, Reply, Request, Terms
from provisioning.wire import correlation
from provisioning.wire.codec import CODECS
from provisioning.wire.messages import Get, Results
from tests.core.lists import uuid

Body = dict[str, Any]
Params = dict[UUID, Mapping[str, object]]
DUMPS: dict[str, Callable[[Body], bytes]] = {
    "json": lambda body: json.dumps(body).encode(),
    "cbor": cbor2.dumps,
}
LOADS: dict[str, Callable[[bytes], Any]] = {"json": json.loads, "cbor": cbor2.loads}

DEVICE = DeviceRow(
    id=uuid(7),
    tenant_id=uuid(8),
    blocked=False,
    status=Status.READY.value,
    pending=0,
    closed_through=0,
    last_seen_at=None,
    next_get_at=None,
    notified_at=None,
)


@dataclass(frozen=True, slots=True)
class Message:
    """What comes from a device: `received` once the gateway has it."""

    verb: str
    format: str
    payload: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to a device."""

    verb: str
    format: str
    payload: bytes

    @property
    def body(self) -> Body:
        """What a device reads in it."""
        return dict(LOADS[self.format](self.payload))


@dataclass(slots=True)
class Service:
    """A device's row and all its commands, in order; `params` are what they carry, `folds` what was done."""

    commands: list[Command] = field(default_factory=list)
    params: Params = field(default_factory=dict)
    device: DeviceRow = DEVICE
    max_deliveries: int = 10
    folds: list[Fold] = field(default_factory=list)

    @property
    def run(self) -> Run:
        """The run as it would be read."""
        current = (c for c in self.commands if c.position > self.device.closed_through)
        return Run(tuple(current), self.device.closed_through, self.device.blocked)

    @property
    def last(self) -> Run:
        """The run that closed before, as it was before it closed."""
        closed = [c for c in self.commands if c.position <= self.device.closed_through]
        ends = [c.position for c in closed[:-1] if c.kind is Kind.FINISHED and c.state is State.SUCCEEDED]
        before = max(ends, default=0)
        commands = tuple(c for c in closed if c.position > before)
        return Run(commands, before, self.device.blocked)

    def apply(self, requests: Sequence[Request], at: datetime) -> list[Reply]:
        """One batch of this device's messages."""
        named = {UUID(found[0]) for found in map(correlation.read, _ids(requests)) if found is not None}
        run = self.run
        past = {c.id: c for c in self.commands if c.position <= run.closed_through and c.id in named}
        fold = Fold(self.device, run, past, self._params, at, Terms(self.max_deliveries)).apply(requests)
        self.write([*run.commands, *past.values()], fold.all)
        self.device = fold.device
        self.folds.append(fold)
        return fold.replies

    def write(self, before: Iterable[Command], after: Iterable[Command]) -> None:
        """Keeps what changed."""
        kept = {command.id: command for command in after}
        gone = {command.id for command in before} - set(kept)
        self.commands = [kept.get(c.id, c) for c in self.commands if c.id not in gone]

    def hear(self, messages: Sequence[Message], at: datetime) -> list[Answer]:
        """One batch through its bytes."""
        requests = [read(one.format, one.verb, one.payload, one.received) for one in messages]
        replies = self.apply(requests, at)
        return [
            Answer(reply.verb, message.format, reply.payload)
            for reply, message in zip(replies, messages, strict=True)
        ]

    def say(self, format: str, verb: str, body: Body, received: datetime, at: datetime) -> tuple[str, Body]:
        """One message: the verb of the answer, and what a device reads in it."""
        (answer,) = self.hear([Message(verb, format, DUMPS[format](body), received)], at)
        return answer.verb, answer.body

    def settle(self) -> None:
        """Law 1: the status is computed and stored beside the list."""
        word, pending = status(self.run).value, len(rules.servable(self.run))
        self.device = replace(self.device, status=word, pending=pending)

    def command(self, id: UUID) -> Command:
        """The command with this id."""
        return next(command for command in self.commands if command.id == id)

    def change(self, id: UUID, **fields: object) -> None:
        """Writes fields of a command past the rules."""
        changed = replace(self.command(id), **fields)  # type: ignore[arg-type]
        self.write([], [changed])

    def _params(self, command: Command) -> Mapping[str, object]:
        return self.params.get(command.id, {})


def read(format: str, verb: str, payload: bytes, received: datetime) -> Request:
    """A message as the shell hands it on. Raises `Refused`."""
    codec = CODECS[format]
    message: Get | Results = codec.decode_get(payload) if verb == "get" else codec.decode_results(payload)
    return Request(message, codec, received)


def _ids(requests: Sequence[Request]) -> Iterable[str]:
    for request in requests:
        if isinstance(request.message, Results):
            yield from (result.id for result in request.message.results)
