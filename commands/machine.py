"""Everything that changes a command's state is in this file; it does not know Django, clocks, MQTT or Celery.

`TABLE` maps (state, input) to the rows that may apply. What no row allows is illegal: `step` raises and
the command stays as it was. Source: the table "Command states" of docs/state-machine.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class State(StrEnum):
    """Where one command stands; the word is what REST shows and the database holds."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


OPEN = frozenset({State.PENDING, State.IN_PROGRESS})


class Input(StrEnum):
    """What can happen to a command."""

    SERVE = "serve"
    SUCCEED = "succeed"
    FAIL = "fail"
    REFUSE = "refuse"
    EXPIRE = "expire"
    RELEASE = "release"
    SUPERSEDE = "supersede"
    RESET = "reset"
    SKIP = "skip"
    DELETE = "delete"
    DROP = "drop"


class Effect(StrEnum):
    """What a transition does besides changing the state."""

    COUNT_DELIVERY = "deliveries + 1"
    CLEAR_DELIVERIES = "deliveries = 0"
    NEW_ATTEMPT = "attempt + 1, the result and the times of the old attempt are cleared"
    STORE_RESULT = "the result is stored"
    STORE_ERROR = "the error is stored"
    ERASE_SECRETS = "secrets are erased"
    RELEASE_BEHIND = "the IN_PROGRESS commands behind it are released"
    DROP_CHILD = "the certificate command made from it is dropped"
    REISSUE_CHILD = "the certificate command made from it is issued anew"


class ErrorCode(StrEnum):
    """Why a command FAILED when it was not the device's own error; `ERRORS` has the owner's sentences."""

    DEVICE = "DEVICE_ERROR"
    BAD_RESULT = "BAD_RESULT"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED = "UNSUPPORTED"
    DELIVERY_EXHAUSTED = "DELIVERY_EXHAUSTED"
    ISSUE_REFUSED = "ISSUE_REFUSED"


class Kind(StrEnum):
    """What the machine must know of a command's type."""

    PLAIN = "plain"
    KEY = "makes a key"
    CSR = "makes a key and a certificate request"
    FINISHED = "ends the run"


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong. `detail` is the device's own number (WIRE.md 3.1), None where Keyseed decided."""

    code: ErrorCode
    message: str
    detail: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a device's list, as far as the machine cares.

    `response` is opaque and kept for the owner; `digest` tells one result from another (WIRE.md 3.4);
    `issue` is None, "auto" or "manual"; `child` is true on a certificate made from the request before it.
    """

    id: UUID
    position: int
    kind: Kind
    type: str
    state: State = State.PENDING
    attempt: int = 0
    deliveries: int = 0
    served_at: datetime | None = None
    closed_at: datetime | None = None
    response: Mapping[str, str] | None = None
    error: Error | None = None
    digest: str | None = None
    has_secrets: bool = False
    issue: str | None = None
    child: bool = False

    @property
    def open(self) -> bool:
        """Whether the device has still to answer it."""
        return self.state in OPEN

    @property
    def makes_key(self) -> bool:
        """Whether doing it again leaves another key in the device."""
        return self.kind in (Kind.KEY, Kind.CSR)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the next state (None: the command is gone), its guard and its effects."""

    next: State | None
    effects: tuple[Effect, ...] = ()
    when: str = ""


SERVED = "served before in this attempt"
AT_HEAD = "at the head of what is open"
EXPIRED = "failed by expiry"
RUN_OPEN = "makes a key, run open, a newer key of the same attempt"
ISSUES = "a CSR with `issue`, not yet issued"
CHILD = "made from a CSR that is reset, skipped or answered anew"

_SUCCEED = (Effect.STORE_RESULT, Effect.ERASE_SECRETS)
_FAIL = (Effect.STORE_ERROR, Effect.RELEASE_BEHIND)
_RESET = (Effect.NEW_ATTEMPT, Effect.CLEAR_DELIVERIES, Effect.DROP_CHILD)
_SKIP = (Effect.ERASE_SECRETS, Effect.DROP_CHILD)

TABLE: Mapping[tuple[State, Input], Row] = {
    # PENDING: the device has not got it, or got it and was told to stop in front of it
    (State.PENDING, Input.SERVE): Row(State.IN_PROGRESS, (Effect.COUNT_DELIVERY,)),
    (State.PENDING, Input.SUCCEED): Row(State.SUCCEEDED, _SUCCEED, SERVED),
    (State.PENDING, Input.FAIL): Row(State.FAILED, _FAIL, SERVED),
    (State.PENDING, Input.REFUSE): Row(State.FAILED, _FAIL, AT_HEAD),
    (State.PENDING, Input.SKIP): Row(State.SKIPPED, _SKIP),
    (State.PENDING, Input.DELETE): Row(None),
    (State.PENDING, Input.RESET): Row(State.PENDING, _RESET),
    (State.PENDING, Input.DROP): Row(None, (), CHILD),
    # IN_PROGRESS: the device has it and did not answer yet
    (State.IN_PROGRESS, Input.SERVE): Row(State.IN_PROGRESS, (Effect.COUNT_DELIVERY,)),
    (State.IN_PROGRESS, Input.SUCCEED): Row(State.SUCCEEDED, _SUCCEED),
    (State.IN_PROGRESS, Input.FAIL): Row(State.FAILED, _FAIL),
    (State.IN_PROGRESS, Input.REFUSE): Row(State.FAILED, _FAIL, AT_HEAD),
    (State.IN_PROGRESS, Input.EXPIRE): Row(State.FAILED, _FAIL),
    (State.IN_PROGRESS, Input.RELEASE): Row(State.PENDING, (Effect.CLEAR_DELIVERIES,)),
    (State.IN_PROGRESS, Input.SKIP): Row(State.SKIPPED, _SKIP),
    (State.IN_PROGRESS, Input.RESET): Row(State.PENDING, _RESET),
    (State.IN_PROGRESS, Input.DROP): Row(State.SKIPPED, _SKIP, CHILD),
    # SUCCEEDED
    (State.SUCCEEDED, Input.SUPERSEDE): Row(
        State.SUCCEEDED, (Effect.STORE_RESULT, Effect.REISSUE_CHILD), RUN_OPEN
    ),
    (State.SUCCEEDED, Input.REFUSE): Row(State.FAILED, _FAIL, ISSUES),
    (State.SUCCEEDED, Input.RESET): Row(State.PENDING, _RESET),
    (State.SUCCEEDED, Input.DROP): Row(State.SKIPPED, _SKIP, CHILD),
    # FAILED
    (State.FAILED, Input.SUCCEED): Row(State.SUCCEEDED, _SUCCEED, EXPIRED),
    (State.FAILED, Input.SKIP): Row(State.SKIPPED, _SKIP),
    (State.FAILED, Input.RESET): Row(State.PENDING, _RESET),
    (State.FAILED, Input.DROP): Row(State.SKIPPED, _SKIP, CHILD),
    # SKIPPED
    (State.SKIPPED, Input.RESET): Row(State.PENDING, _RESET),
}


class Illegal(Exception):
    """The table has no row for this: nothing was changed."""

    def __init__(self, command: Command, given: Input, why: str = "") -> None:
        self.command = command
        self.input = given
        super().__init__(f"{given} is not possible on a {command.state} command{why and ': not ' + why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What `step` cannot read from the command itself.

    `at` is when it happened; `head`: it is the first open command; `run_open`: its run is; `issued`: its
    certificate command stands. `response`, `digest` and `error` come with a result or a refusal.
    """

    at: datetime
    head: bool = False
    run_open: bool = True
    issued: bool = False
    response: Mapping[str, str] | None = None
    digest: str | None = None
    error: Error | None = None


def step(command: Command, given: Input, facts: Facts) -> tuple[Command | None, tuple[Effect, ...]]:
    """The command after `given`, None when it is gone, and the effects the caller has still to carry out.

    Raises `Illegal`, with the command unchanged, for everything that is not in `TABLE`.
    """
    row = TABLE.get((command.state, given))
    if row is None:
        raise Illegal(command, given)
    if row.when and not _holds(row.when, command, facts):
        raise Illegal(command, given, row.when)
    if row.next is None:
        return None, row.effects
    changes: dict[str, object] = {"state": row.next}
    for effect in row.effects:
        changes |= _changes(effect, command, facts)
    return replace(command, **changes), row.effects  # type: ignore[arg-type]


def _holds(guard: str, command: Command, facts: Facts) -> bool:
    if guard is SERVED:
        return command.served_at is not None
    if guard is AT_HEAD:
        return facts.head
    if guard is EXPIRED:
        return command.error is not None and command.error.code is ErrorCode.DELIVERY_EXHAUSTED
    if guard is RUN_OPEN:
        return command.makes_key and facts.run_open
    if guard is CHILD:
        return command.child
    return command.kind is Kind.CSR and command.issue is not None and not facts.issued


def _changes(effect: Effect, command: Command, facts: Facts) -> dict[str, object]:
    """What an effect writes into the command itself."""
    match effect:
        case Effect.COUNT_DELIVERY:
            return {"deliveries": command.deliveries + 1, "served_at": facts.at}
        case Effect.CLEAR_DELIVERIES:
            return {"deliveries": 0}
        case Effect.NEW_ATTEMPT:
            return {"attempt": command.attempt + 1, **_NOTHING_YET}
        case Effect.STORE_RESULT:
            return {**_closed(facts), "error": None}
        case Effect.STORE_ERROR if facts.digest is None:
            # Not the device's word: what it sent stays, and the same again is a duplicate (WIRE.md 3.4).
            return {"error": facts.error, "closed_at": facts.at}
        case Effect.STORE_ERROR:
            return {**_closed(facts), "error": facts.error}
        case Effect.ERASE_SECRETS:
            return {"has_secrets": False, "closed_at": facts.at}
    return {}  # RELEASE_BEHIND, DROP_CHILD and REISSUE_CHILD touch other commands: commands/run.py


_NOTHING_YET: Mapping[str, object] = dict.fromkeys(("served_at", "closed_at", "response", "error", "digest"))


def _closed(facts: Facts) -> dict[str, object]:
    return {"response": facts.response, "digest": facts.digest, "closed_at": facts.at}
