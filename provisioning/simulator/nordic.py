"""The client of Nordic's provisioning library: ask, do, report, until there is nothing left or `finished`.

Transports are in `nordic_http` and `nordic_mqtt`.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from provisioning.simulator.nordic_codec import (
    AT_REPLY,
    CONFIG_ACK,
    DEFAULTS,
    ERROR,
    FINISHED_ACK,
    AtCommand,
    Command,
    Config,
    Finished,
    Response,
    Settings,
    decode,
    encode,
)

CME = re.compile(r"\+CME ERROR: (\d+)\s*\Z")
PLAIN_ERROR = re.compile(r"ERROR\s*\Z")

OFFLINE, ONLINE = "AT+CFUN=4", "AT+CFUN=1"


class NotServed(Exception):
    """An exchange that did not go through; the text says why."""


class TooLarge(NotServed):
    """The answer does not fit the receive buffer."""


class Unsendable(NotServed):
    """The responses do not fit the send buffer; they are lost."""


class NotClaimed(NotServed):
    """The device is unknown, unclaimed or blocked, or its sign-in is wrong: the service says no more than that."""


class Busy(NotServed):
    """Try again later: after `retry_after` seconds, or, where it is None, as the back-off says."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(NotServed):
    """Any other answer: `code` is the HTTP status, or the code of a rejection."""

    def __init__(self, code: int | str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Terminal(Protocol):
    """What takes AT commands, and the settings beside it."""

    settings: dict[str, str]

    def at(self, line: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What the client tells of itself when it asks for commands. Empty `after`: it has done none yet."""

    after: str
    settings: Settings

    @property
    def limit(self) -> int | None:
        """How many commands at most, from a client that says so."""
        return self.settings.records if self.settings.tells_limit else None


class Transport(Protocol):
    """Both raise NotServed, and OSError where nobody answers at all."""

    def get(self, ask: Ask) -> bytes | None:
        """The commands, or None when there is nothing to do."""

    def report(self, responses: bytes, settings: Settings) -> None:
        """Returns once they are stored."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command as it was done: `line` is what was done, `reply` what came of it."""

    id: str
    line: str
    reply: str


Watch = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of the commands of one answer. `after` is the last one that was looked at."""

    responses: tuple[Response, ...]
    after: str
    finished: bool


@dataclass(slots=True)
class Summary:
    """A whole run. `finished`: that command was done and its response accepted."""

    finished: bool = False
    polls: int = 0
    steps: list[Step] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    @property
    def failures(self) -> list[Response]:
        """What was reported as an error."""
        return [response for response in self.responses if response[1] == ERROR]


def ignore(step: Step) -> None:
    """A watch that looks away."""


def execute(
    terminal: Terminal, commands: Iterable[Command], settings: Settings = DEFAULTS, watch: Watch = ignore
) -> Batch:
    """Do the commands in order up to the first that fails; `finished` is answered last, and if none failed."""
    responses: list[Response] = []
    after, finished, offline = "", None, False
    for command in commands:
        after = command.id
        if isinstance(command, Finished):
            finished = command
            continue
        if isinstance(command, AtCommand) and not offline:
            offline = True
            terminal.at(OFFLINE)  # the modem's store is closed while the radio is on
        responses.append(_do(terminal, command, settings, watch))
        if responses[-1][1] == ERROR:
            finished = None
            break
    if offline:
        terminal.at(ONLINE)
    if finished is not None:
        watch(Step(finished.id, "finished", "OK"))
        responses.append((finished.id, FINISHED_ACK))
    return Batch(tuple(responses), after, finished is not None)


class Client:
    """One boot of a device: `after` lasts as long as the client does."""

    def __init__(
        self,
        terminal: Terminal,
        transport: Transport,
        settings: Settings = DEFAULTS,
        *,
        watch: Watch = ignore,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.terminal = terminal
        self.transport = transport
        self.settings = settings
        self.watch = watch
        self.sleep = sleep
        self.after = ""

    def run(self, *, until_finished: bool = False, polls: int = 100) -> Summary:
        """Ask up to `polls` times. Ends when `finished` is through, or, unless `until_finished`, when there is
        nothing to do; ask the summary which.

        Raises Undecodable for commands that the library would not take, NotServed for an answer that ends its
        work (Busy does not), and OSError where nobody answers. A report that is not stored ends nothing: the
        library asks again at once, and does what it is given once more.
        """
        summary = Summary()
        backoff = self.settings.first_backoff
        while summary.polls < polls and not summary.finished:
            summary.polls += 1
            try:
                payload = self.transport.get(Ask(self.after, self.settings))
            except Busy as busy:
                self._wait(busy.retry_after, backoff)
                backoff = min(2 * backoff, self.settings.longest_backoff)
                continue
            backoff = self.settings.first_backoff
            if payload is not None:
                self._serve(payload, summary)
            elif until_finished:
                self._wait(None, self.settings.interval)
            else:
                break
        return summary

    def _serve(self, payload: bytes, summary: Summary) -> None:
        def watch(step: Step) -> None:
            summary.steps.append(step)
            self.watch(step)

        batch = execute(self.terminal, decode(payload, self.settings), self.settings, watch)
        self.after = batch.after
        encoded = encode(batch.responses, serial_modem_style=self.settings.serial_modem_style)
        if len(encoded) > self.settings.tx:
            raise Unsendable(
                f"Responses of {len(encoded)} bytes do not fit the send buffer of {self.settings.tx}."
            )
        try:
            self.transport.report(encoded, self.settings)
        except (NotServed, OSError):
            return
        summary.responses.extend(batch.responses)
        summary.finished = batch.finished

    def _wait(self, told: float | None, own: float) -> None:
        """What the service asks for is waited in full; the pace is for our own waits."""
        self.sleep(own * self.settings.pace if told is None else told)


def run(
    terminal: Terminal,
    transport: Transport,
    settings: Settings = DEFAULTS,
    *,
    until_finished: bool = False,
    polls: int = 100,
    watch: Watch = ignore,
) -> Summary:
    """One boot of a device: see `Client.run`."""
    return Client(terminal, transport, settings, watch=watch).run(until_finished=until_finished, polls=polls)


def _do(terminal: Terminal, command: AtCommand | Config, settings: Settings, watch: Watch) -> Response:
    if isinstance(command, Config):
        terminal.settings.update(command.pairs)
        watch(Step(command.id, f"config {', '.join(command.pairs)}", "OK"))
        return (command.id, CONFIG_ACK)
    reply = terminal.at(command.line)
    watch(Step(command.id, command.line, reply))
    code = _code(reply)
    passes = code is None or code in command.ignored or (code == 0 and settings.plain_error_passes)
    return (command.id, AT_REPLY, reply) if passes else (command.id, ERROR, code or 0, reply)


def _code(reply: str) -> int | None:
    """The CME code that the reply ends with, 0 for an ERROR without one, None for success."""
    last = reply.rstrip().rpartition("\n")[2]
    found = CME.fullmatch(last)
    if found is not None:
        return int(found[1])
    return 0 if PLAIN_ERROR.fullmatch(last) else None
