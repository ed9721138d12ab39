"""The reference client: what WIRE.md 6 asks of a device. No I/O, no clock, no random source.

Tell it what happens, in the order in which it happens; carry out what it returns, in that order. `now` is in
seconds of any clock that only goes forward, `jitter` is a random number in [0, 1).

    connected    -> Subscribe                executed -> Execute or Publish, Wait
    subscribed   -> Publish, Wait            message  -> Execute, or Publish, Wait, or Done, Wait
    disconnected -> nothing                  tick     -> Publish, Wait

What is durable is `storage` alone: one boot is one Device, the next boot a new Device over the same storage.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from provisioning.simulator import formats
from provisioning.simulator.formats import Command, Failed, Ok, Outcome, Result
from provisioning.simulator.ports import (
    Done,
    Execute,
    Output,
    Profile,
    Publish,
    Storage,
    Subscribe,
    Timing,
    Wait,
    spread,
)

# WIRE.md 6.2. A CSR makes the key that it is for, where there is none yet.
KEY_MAKING = frozenset(
    {"clientPrivateKeyGeneration", "cloudAccessKeyGeneration", "certificateSigningRequest"}
)

DOWN_VERBS = ("commands", "accepted", "rejected", "notify")

STORAGE_FAILED = 5  # WIRE.md 3.1


class Link(Enum):
    """Whether an answer could reach us: not before SUBACK, so nothing is sent before it (WIRE.md 6.3)."""

    DOWN = "down"
    SUBSCRIBING = "subscribing"
    UP = "up"


class State(Enum):
    """Where the conversation stands. A lost connection changes nothing here."""

    IDLE = "idle"  # the timer brings the next `get`
    ASKING = "asking"  # a `get` is open
    WORKING = "working"  # a command is under way
    REPORTING = "reporting"  # `results` are open; no `get` before they are accepted


class Hold(Enum):
    """Why the timer runs longer than the repeats of WIRE.md 6.3."""

    NONE = "none"
    TOLD = "told"  # THROTTLED, MALFORMED, TOO_LARGE: nothing shortens it
    SHUT_OUT = "shut out"  # BLOCKED, NOT_CLAIMED: news ends it, a notify (WIRE.md 5.1) or a new sign-in


@dataclass(frozen=True, slots=True)
class Request:
    """The one request outstanding. A repeat is the same message, byte for byte (WIRE.md 6.3)."""

    id: str
    topic: str
    payload: bytes


class Device:
    """One boot of one device."""

    def __init__(self, profile: Profile, storage: Storage, timing: Timing | None = None) -> None:
        self.profile = profile
        self.storage = storage
        self.timing = timing or Timing()
        self.link = Link.DOWN
        self.state = State.IDLE
        self.hold = Hold.NONE
        self.deadline = 0.0  # when the timer is due; without meaning while WORKING
        self.pull_at = math.inf  # the moment chosen within the last notify
        self.request: Request | None = None  # stands while ASKING and REPORTING
        self.requests = 0  # how many this boot has made
        self.sent = 0  # how often the open one was sent since the service last spoke of it
        self.todo: list[Command] = []  # stands while WORKING, the one under way first
        self.done: list[Result] = []  # what `results` will say, in the order of execution
        self.memory: dict[str, Result] = {}  # what this boot has done and nobody has accepted (WIRE.md 6.2)
        self.after: str | None = None  # the hint of WIRE.md 2.6

    # The connection

    def connected(self) -> list[Output]:
        """The broker has let us in (CONNACK)."""
        self.link = Link.SUBSCRIBING
        return [Subscribe(tuple(self.profile.topic(verb) for verb in DOWN_VERBS))]

    def subscribed(self, now: float, jitter: float) -> list[Output]:
        """SUBACK. A device pulls on every connect (WIRE.md 5.1), but an open request goes first, again."""
        self.link = Link.UP
        self.sent = 0
        if self.hold is Hold.TOLD and now < self.deadline:
            return [Wait(self.deadline)]
        return self._act(now, jitter)

    def disconnected(self) -> list[Output]:
        """The connection is gone. The open request and the work under way stay."""
        self.link = Link.DOWN
        return []

    # The timer

    def tick(self, now: float, jitter: float) -> list[Output]:
        """The time of a Wait has come. Any other time does no harm."""
        if self.link is not Link.UP or self.state is State.WORKING:
            return []
        if now < self.deadline:
            return [Wait(self.deadline)]
        return self._act(now, jitter)

    def _act(self, now: float, jitter: float) -> list[Output]:
        self.hold = Hold.NONE
        if self.state is State.IDLE:
            return self._get(now, jitter)
        return self._send(now, jitter)

    # Requests

    def _get(self, now: float, jitter: float) -> list[Output]:
        self.state = State.ASKING
        self.pull_at = math.inf
        body = dict(self.profile.about or {})
        if self.after is not None:
            body["after"] = self.after
        return self._open("get", body, now, jitter)

    def _report(self, now: float, jitter: float) -> list[Output]:
        self.state = State.REPORTING
        return self._open("results", formats.write_results(self.done), now, jitter)

    def _open(self, verb: str, body: dict[str, Any], now: float, jitter: float) -> list[Output]:
        self.requests += 1
        request = f"{self.profile.boot}-{self.requests}"
        payload = formats.encode(self.profile.format, {"id": request, **body})
        self.request = Request(request, self.profile.topic(verb), payload)
        self.sent = 0
        return self._send(now, jitter)

    def _send(self, now: float, jitter: float) -> list[Output]:
        """Send the open request, for the first time or again. With the link down it waits for SUBACK."""
        if self.link is not Link.UP or self.request is None:
            return []
        self.sent += 1
        self.deadline = now + self.timing.repeat(self.sent, jitter)
        return [Publish(self.request.topic, self.request.payload), Wait(self.deadline)]

    def _close(self) -> None:
        self.request = None
        self.hold = Hold.NONE

    # What comes down

    def message(self, topic: str, payload: bytes, now: float, jitter: float) -> list[Output]:
        """A message came. One that cannot be read, or answers no open request, is ignored (WIRE.md 6.3)."""
        verb = topic.rpartition("/")[2]
        if verb not in DOWN_VERBS or topic != self.profile.topic(verb):
            return []
        try:
            message = formats.read(self.profile.format, verb, payload)
        except formats.Unreadable:
            return []
        match message:
            case formats.Notify(within):
                return self._notified(now + within * jitter)
            case formats.Commands() if self.state is State.ASKING and self._is_open(message.id):
                return self._commands(message, now, jitter)
            case formats.Accepted() if self.state is State.REPORTING and self._is_open(message.id):
                return self._accepted(message, now, jitter)
            # What the service could not read it refuses without an id, for it could not read that either.
            case formats.Rejected() if message.id is None or self._is_open(message.id):
                return self._rejected(message, now)
        return []

    def _is_open(self, request: str | None) -> bool:
        return self.request is not None and self.request.id == request

    def _notified(self, moment: float) -> list[Output]:
        """Pull at that moment (WIRE.md 5.1), or, if something is under way then, once it is through."""
        self.pull_at = min(self.pull_at, moment)
        free = self.hold is Hold.NONE and self.state is State.IDLE
        if self.link is not Link.UP or not (free or self.hold is Hold.SHUT_OUT):
            return []
        self.deadline = min(self.deadline, self.pull_at)
        return [Wait(self.deadline)]

    def _commands(self, answer: formats.Commands, now: float, jitter: float) -> list[Output]:
        self._close()
        if not answer.commands:  # WIRE.md 2.2: nothing to do
            return self._rest(answer.status, now, jitter)
        self.state = State.WORKING
        self.todo = list(answer.commands)
        self.done = []
        return self._work(now, jitter)

    def _accepted(self, answer: formats.Accepted, now: float, jitter: float) -> list[Output]:
        """Whatever the word, its result is dropped; `early` asks for a `get` at once (WIRE.md 6.4)."""
        self._close()
        for correlation in answer.words:
            self.memory.pop(correlation, None)
            self.storage.pop(correlation, None)
        if answer.pending > 0 or "early" in answer.words.values():
            return self._get(now, jitter)
        return self._rest(answer.status, now, jitter)

    def _rest(self, status: str, now: float, jitter: float) -> list[Output]:
        self.state = State.IDLE
        self.deadline = min(self.pull_at, now + self.timing.interval * spread(jitter))
        return [Done(status), Wait(self.deadline)]

    def _rejected(self, answer: formats.Rejected, now: float) -> list[Output]:
        """WIRE.md 6.4. `results` outlive a wait; a refused `get` is over, and the next one is a new one."""
        if self.request is None:
            return []
        match answer.code:
            case "THROTTLED" if answer.retry_after is not None:
                return self._pause(Hold.TOLD, now + answer.retry_after)
            case "BLOCKED" | "NOT_CLAIMED" | "UNSUPPORTED_FORMAT":
                return self._pause(Hold.SHUT_OUT, now + self.timing.shut_out)
            case "MALFORMED" | "TOO_LARGE":
                self.state = State.IDLE  # not sent again, though `memory` still knows the results
                return self._pause(Hold.TOLD, now + self.timing.after_malformed)
        return []  # INTERNAL, and what a later version adds: as no answer

    def _pause(self, hold: Hold, until: float) -> list[Output]:
        if self.state is not State.REPORTING:
            self.state = State.IDLE
            self.request = None
        self.sent = 0
        self.hold = hold
        self.deadline = until
        return [Wait(self.deadline)]

    # Work

    def _work(self, now: float, jitter: float) -> list[Output]:
        """The next command, in order (WIRE.md 6.1), or the report when none is left."""
        while self.todo:
            known = self._recall(self.todo[0].id)
            if known is None:
                return [Execute(self.todo[0])]
            self._did(known)
        return self._report(now, jitter)

    def executed(self, correlation: str, outcome: Outcome, now: float, jitter: float) -> list[Output]:
        """What became of the command of the last Execute. Any other correlation id is ignored."""
        if self.state is not State.WORKING or self.todo[0].id != correlation:
            return []
        self._did(self._remember(self.todo[0], outcome))
        return self._work(now, jitter)

    def _did(self, result: Result) -> None:
        self.done.append(result)
        self.after = result.id
        self.todo.pop(0)
        if isinstance(result.outcome, Failed):
            self.todo.clear()  # WIRE.md 6.1: what stands behind a failure has no result

    def _remember(self, command: Command, outcome: Outcome) -> Result:
        """Before anything is reported, so that a power cut now does not make a second key (WIRE.md 6.2)."""
        result = Result(command.id, outcome)
        if command.type in KEY_MAKING and isinstance(outcome, Ok):
            try:
                self.storage[command.id] = formats.freeze(result)
            except OSError as error:
                result = Result(command.id, Failed(STORAGE_FAILED, f"cannot keep the result: {error}"))
        self.memory[command.id] = result
        return result

    def _recall(self, correlation: str) -> Result | None:
        kept = self.storage.get(correlation)
        if correlation in self.memory or kept is None:
            return self.memory.get(correlation)
        try:
            return formats.thaw(kept)
        except formats.Unreadable:
            return None  # WIRE.md 6.2: that memory is gone, so the device makes a new key
