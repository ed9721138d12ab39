"""One device's messages, in order of receipt, applied to its list and answered. Pure: no database, no network.

Source: WIRE.md 2 (get), 3 (results), 4 (rejected).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from commands import results, run
from commands.machine import Command, Error, ErrorCode, State
from commands.run import Answer, Word
from commands.status import Run, status
from devices import timeline
from devices.row import DeviceRow
from devices.status import Status
from devices.timeline import Entry
from provisioning import throttle
from provisioning.wire import correlation
from provisioning.wire.codec import Codec
from provisioning.wire.errors import Unfit
from provisioning.wire.fit import fit
from provisioning.wire.messages import Accepted, Get, Item, Rejected, Result, Results
from provisioning.wire.rejections import rejection


class Unreadable(Exception):
    """The service has what a command carries, and cannot open it. The text is for the owner."""


Params = Callable[[Command], Mapping[str, object]]
"""What a command carries to its device, secrets opened."""


@dataclass(frozen=True, slots=True)
class Request:
    """A message that could be read, and the codec that its answer is written with."""

    message: Get | Results
    codec: Codec
    received: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `verb` is the last part of its topic.

    `items` is how many commands it brings; `refused` is why it brings none and stored nothing.
    """

    verb: str
    payload: bytes
    items: int = 0
    refused: Rejected | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that rules depend on."""

    max_deliveries: int


@dataclass(slots=True)
class Fold:
    """Where a device stands while its messages are applied, and what came of them.

    `keys` are public keys of `cloudAccessKeyGeneration`, to be registered; `at` is now, for what is sent.
    """

    device: DeviceRow
    run: Run
    past: Mapping[UUID, Command]
    params: Params
    at: datetime
    terms: Terms
    replies: list[Reply] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def apply(self, requests: Sequence[Request]) -> Fold:
        """Answers every request, one reply each, and leaves `device` as it is to be written."""
        for request in requests:
            self.replies.append(self._answer(request))
        self.device = replace(
            self.device,
            status=status(self.run).value,
            pending=len(run.servable(self.run)),
            closed_through=self.run.closed_through,
        )
        return self

    @property
    def all(self) -> list[Command]:
        """Every command that may have changed."""
        return [*self.run.commands, *self.past.values()]

    def _answer(self, request: Request) -> Reply:
        if self.device.blocked:
            return self._reject(request, "BLOCKED")
        seen = max(self.device.last_seen_at or request.received, request.received)
        self.device = replace(self.device, last_seen_at=seen)
        if isinstance(request.message, Get):
            return self._get(request, request.message)
        return self._results(request, request.message)

    def _reject(
        self, request: Request, code: str, retry_after: int | None = None, reason: str | None = None
    ) -> Reply:
        """Refuses a request; `reason` is for its owner's eyes and not for the device."""
        rejected: Rejected = rejection(code, id=request.message.id, retry_after=retry_after)
        told = reason or rejected.message
        self.entries.append(timeline.refusal(self.device.id, request.received, code, told))
        return Reply("rejected", request.codec.rejected(rejected), refused=rejected)

    # ---- get

    def _get(self, request: Request, get: Get) -> Reply:
        next_at, wait = throttle.take(self.device.next_get_at, request.received)
        self.device = replace(self.device, next_get_at=next_at)
        if wait:
            return self._reject(request, "THROTTLED", wait)
        self._decide(request, run.expire(self.run, request.received, self.at, self.terms.max_deliveries))
        able = run.servable(self.run)
        try:
            items, unfit = self._items(able[: get.limit], request.codec, get.types)
        except Unreadable as unreadable:
            return self._reject(request, "INTERNAL", reason=str(unreadable))
        count = fit(request.codec, get, Status.PROVISIONING.value, items, len(able))
        if able and not count:
            error = _too_large(items[0], get) if items else unfit
            assert error is not None
            self._decide(request, run.refuse_head(self.run, able[0], error, self.at))
            able = []
        return self._serve(request, get, able, items[:count])

    def _decide(self, request: Request, after: Run) -> None:
        """The run as the service decided it, which may have failed a command: its owner must see why."""
        before = {command.id: command for command in self.run.commands}
        self.run = after
        for command in after.commands:
            if command is not before[command.id] and command.error is not None:
                data = {"code": command.error.code.value, "message": command.error.message}
                self._note(request, timeline.Kind.REFUSED, data, command.id)

    def _items(
        self, able: Sequence[Command], codec: Codec, types: frozenset[str] | None
    ) -> tuple[list[Item], Error | None]:
        """The leading commands that the device can do, encoded, and why the next one is none of them."""
        items: list[Item] = []
        for command in able:
            if types is not None and command.type not in types:
                return items, Error(ErrorCode.UNSUPPORTED, _CANNOT.format(type=command.type))
            name = correlation.make(command.id, command.attempt)
            try:
                items.append(codec.item(name, command.type, self.params(command)))
            except Unfit as error:
                return items, Error(ErrorCode.UNSUPPORTED, error.reason)
        return items, None

    def _serve(self, request: Request, get: Get, able: Sequence[Command], items: Sequence[Item]) -> Reply:
        chosen = able[: len(items)]
        self.run = run.serve(self.run, chosen, request.received, self.at)
        now, pending = status(self.run).value, len(able) - len(items)
        if chosen:
            names = [correlation.make(command.id, command.attempt) for command in chosen]
            only = chosen[0].id if len(chosen) == 1 else None
            self._note(request, timeline.Kind.SERVED, {"commands": names, "pending": pending}, only)
        return Reply("commands", request.codec.commands(get.id, now, items, pending), len(items))

    # ---- results

    def _results(self, request: Request, message: Results) -> Reply:
        before = status(self.run)
        words: dict[str, str] = {}
        for result in message.results:
            word = self._result(result, request).value
            # Of a result told twice the first word counts, unless it was only too early (WIRE.md 3.4).
            if words.get(result.id, Word.EARLY.value) == Word.EARLY:
                words[result.id] = word
        now, pending = status(self.run), len(run.servable(self.run))
        error = None
        if now is Status.ERROR and before is not now:
            error = next(c.error.message for c in self.run.counted if c.error is not None)
        self._note_results(request, words, now, error)
        accepted = Accepted(id=message.id, status=now.value, results=words, pending=pending)
        return Reply("accepted", request.codec.accepted(accepted))

    def _result(self, result: Result, request: Request) -> Word:
        named = correlation.read(result.id)
        if named is None:
            return Word.UNKNOWN
        command_id, attempt = UUID(named[0]), named[1]
        command = run.find(self.run, command_id) or self.past.get(command_id)
        if command is None:
            return Word.UNKNOWN
        done = run.answer(self.run, self.past, _judged(command, attempt, result), request.received)
        self.run, self.past = done.run, done.past
        if done.word is Word.STORED and command.type == "cloudAccessKeyGeneration":
            self._register(command_id)
        return done.word

    def _note_results(
        self, request: Request, words: Mapping[str, str], now: Status, error: str | None
    ) -> None:
        """What was answered; a device that repeats itself, or makes ids up, fills no more than a row a minute."""
        ours = {name: word for name, word in words.items() if word != Word.UNKNOWN}
        data: dict[str, object] = {"results": ours, "status": now.value}
        if len(ours) < len(words):
            data["unknown"] = len(words) - len(ours)
        if error is not None:
            data["error"] = error
        stored = Word.STORED in ours.values()
        fold = None if stored else f"answered:{request.received:%Y%m%d%H%M}"
        self.entries.append(Entry(self.device.id, request.received, timeline.Kind.ANSWERED, data, fold=fold))

    def _register(self, command_id: UUID) -> None:
        made = run.find(self.run, command_id)
        if made is not None and made.state is State.SUCCEEDED and made.response is not None:
            self.keys.append(made.response["publicKey"])

    def _note(
        self, request: Request, kind: timeline.Kind, data: Mapping[str, object], command_id: UUID | None
    ) -> None:
        self.entries.append(Entry(self.device.id, request.received, kind, data, command_id))


def _judged(command: Command, attempt: int, result: Result) -> Answer:
    if not result.ok:
        return results.failure(command.id, attempt, result.code or 0, result.message or "")
    return results.success(command.id, attempt, command.kind, result.value)


_CANNOT = "The device says that it cannot do {type}. Skip it, or update the device and reset it."


def _too_large(head: Item, get: Get) -> Error:
    if head.steps > get.limit:
        message = f"The command takes {head.steps} steps, and the device takes {get.limit} at once. Send less in it."
    else:
        message = f"The command does not fit the {get.rx_max_size} bytes that the device can receive. Send less in it."
    return Error(ErrorCode.TOO_LARGE, message)
