"""What happens to a device's whole list: serving, answers, repairs. Pure, every change through `machine.step`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from commands import limits
from commands.machine import (
    Command,
    Effect,
    Error,
    ErrorCode,
    Facts,
    Illegal,
    Input,
    Kind,
    State,
    step,
)
from commands.status import Run, status, undecided
from devices.status import Status
from tenants.errors import Refusal


class Word(StrEnum):
    """What the service says of one result. Source: WIRE.md 3.3."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONFLICT = "conflict"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    EARLY = "early"


@dataclass(frozen=True, slots=True)
class Answer:
    """A device's result for one attempt of one command.

    `error` is None for success; `digest` is the same for the same result only; `response` is kept for the owner.
    """

    command_id: UUID
    attempt: int
    digest: str
    response: Mapping[str, str] | None = None
    error: Error | None = None


# ---- the device pulls


def servable(run: Run) -> list[Command]:
    """The open commands that a `get` may bring, in order. Source: WIRE.md 2.2, 2.3."""
    if status(run) in (Status.BLOCKED, Status.ERROR):
        return []
    counted, found = run.counted, list[Command]()
    for command in counted:
        if undecided(command, counted):
            break
        if command.open:
            found.append(command)
            if ends_answer(command):
                break
    return found


def ends_answer(command: Command) -> bool:
    """Whether nothing behind this command may be in the same answer. Source: WIRE.md 2.3."""
    return command.kind is Kind.FINISHED or (command.kind is Kind.CSR and command.issue is not None)


def counts(command: Command, received: datetime) -> bool:
    """Whether a `get` received then is a new delivery, not a repeat under way. Source: WIRE.md 2.7."""
    return command.served_at is None or received > command.served_at


def expire(run: Run, received: datetime, at: datetime, most: int) -> Run:
    """The run with the first command failed that was served `most` times and left unanswered."""
    for command in servable(run):
        if command.state is State.IN_PROGRESS and command.deliveries >= most and counts(command, received):
            message = f"Served {command.deliveries} times without an answer."
            return _advance(
                run, command, Input.EXPIRE, Facts(at=at, error=Error(ErrorCode.DELIVERY_EXHAUSTED, message))
            )
    return run


def refuse_head(run: Run, head: Command, error: Error, at: datetime) -> Run:
    """The run with its head FAILED, because this device can never take it. Source: WIRE.md 2.4, 2.5."""
    return _advance(run, head, Input.REFUSE, Facts(at=at, head=True, error=error))


def serve(run: Run, chosen: Iterable[Command], received: datetime, at: datetime) -> Run:
    """The run with these commands served; a repeat that was under way counts once. Source: WIRE.md 2.7."""
    for command in chosen:
        if command.state is State.PENDING or counts(command, received):
            run = _advance(run, command, Input.SERVE, Facts(at=at))
    return run


# ---- the device answers


@dataclass(frozen=True, slots=True)
class Answered:
    """What one result led to: the run, the commands of closed runs by id, and the word for the device."""

    run: Run
    past: Mapping[UUID, Command]
    word: Word


def answer(run: Run, past: Mapping[UUID, Command], given: Answer, received: datetime) -> Answered:
    """One result applied. A `finished` that SUCCEEDED closes the run: its commands go over to `past`.

    `received` orders two keys of one attempt: the one made last is the one in the device. Source: WIRE.md 3.4.
    """
    command = find(run, given.command_id)
    if command is None:
        return Answered(run, past, _past_word(past.get(given.command_id), given))
    if (word := _word_before(run, command, given, received)) is not None:
        return Answered(run, past, word)
    try:
        run = _advance(run, command, _input(command, given), _facts(given, received))
    except Illegal:
        return Answered(run, past, Word.UNKNOWN if command.open else Word.CONFLICT)
    if command.kind is Kind.FINISHED and given.error is None:
        return _closed(run, past, command.position)
    return Answered(run, past, Word.STORED)


def _closed(run: Run, past: Mapping[UUID, Command], position: int) -> Answered:
    behind = tuple(command for command in run.commands if command.position > position)
    over = {command.id: command for command in run.commands if command.position <= position}
    return Answered(replace(run, commands=behind, closed_through=position), {**past, **over}, Word.STORED)


def _word_before(run: Run, command: Command, given: Answer, received: datetime) -> Word | None:
    """The word for a result that changes nothing, None if it may."""
    if (word := _known(command, given)) is not None:
        return word
    if command.kind is Kind.FINISHED and given.error is None and not _finishable(run, command):
        return Word.EARLY
    late = (
        command.state is State.SUCCEEDED and command.closed_at is not None and received <= command.closed_at
    )
    return Word.CONFLICT if late else None


def _known(command: Command, given: Answer) -> Word | None:
    if given.attempt < command.attempt:
        return Word.STALE
    if given.attempt > command.attempt:
        return Word.UNKNOWN
    if command.state is State.SKIPPED:
        return Word.SKIPPED
    return Word.DUPLICATE if command.digest is not None and command.digest == given.digest else None


def _past_word(command: Command | None, given: Answer) -> Word:
    if command is None:
        return Word.UNKNOWN
    return _known(command, given) or Word.CONFLICT


def _input(command: Command, given: Answer) -> Input:
    if given.error is not None:
        return Input.FAIL
    if command.state is State.SUCCEEDED:
        return Input.SUPERSEDE
    return Input.SUCCEED


def _facts(given: Answer, at: datetime) -> Facts:
    return Facts(at=at, response=given.response, digest=given.digest, error=given.error)


def _finishable(run: Run, finished: Command) -> bool:
    counted = run.counted
    before = [command for command in counted if command.position < finished.position]
    return all(c.state is State.SUCCEEDED and not undecided(c, counted) for c in before)


# ---- the owner repairs


def skip(run: Run, command_id: UUID, at: datetime) -> Run:
    """The run without this command. Raises `Refusal`."""
    return _repair(run, command_id, Input.SKIP, at)


def delete(run: Run, command_id: UUID, at: datetime) -> Run:
    """The run with this PENDING command gone. Raises `Refusal`."""
    return _repair(run, command_id, Input.DELETE, at)


def reset(run: Run, last: Run, command_id: UUID, at: datetime) -> Run:
    """The run with this command to be done again; `last` is the run that closed before it.

    A reset in `last` reopens it, its `finished` with it, as long as nothing stands behind. Raises `Refusal`.
    """
    if find(run, command_id) is not None:
        return _repair(run, command_id, Input.RESET, at)
    if find(last, command_id) is None or run.counted:
        raise Refusal("RUN_CLOSED", "Its run is closed: add the command again at the end of the list.")
    reopened = _repair(last, command_id, Input.RESET, at)
    finished = reopened.commands[-1]
    return reopened if finished.id == command_id else _repair(reopened, finished.id, Input.RESET, at)


def reset_all(run: Run, last: Run, at: datetime) -> Run:
    """The whole run to be done again, or, if it is empty, the one that closed before it. Raises `Refusal`."""
    again = run if run.counted or not last.commands else last
    for command in again.counted:
        if not command.child:
            again = _repair(again, command.id, Input.RESET, at)
    return again


def check_room(run: Run, adding: Collection[tuple[Kind, str | None]]) -> None:
    """Raises `Refusal` QUEUE_FULL where the list has no room; `adding` has (kind, issue) for each new command.

    Repairs do not ask for room: in ERROR nothing is served, so a reset refused for it could never be made.
    """
    room_used = _used(run)
    room_asked = sum(2 if issue is not None else 1 for _, issue in adding)
    if room_used + room_asked > limits.MAX_OPEN:
        raise Refusal(
            "QUEUE_FULL",
            f"The device has {room_used} open commands and {limits.MAX_OPEN} is the most; {room_asked} more do "
            "not fit. Wait until it answered, or delete or skip some.",
        )
    if len(run.commands) + room_asked > limits.MAX_RUN:
        raise Refusal(
            "QUEUE_FULL",
            f"The run has {len(run.commands)} commands and {limits.MAX_RUN} is the most: end it with `finished`.",
        )


def _used(run: Run) -> int:
    return sum(_room(command, run) for command in run.counted)


def _room(command: Command, run: Run) -> int:
    if command.open:
        return 2 if command.issue is not None else 1
    return 1 if undecided(command, run.counted) else 0


# ---- shared by all of them


def find(run: Run, command_id: UUID) -> Command | None:
    """The run's command with this id, if it has one."""
    return next((command for command in run.commands if command.id == command_id), None)


def _repair(run: Run, command_id: UUID, given: Input, at: datetime) -> Run:
    command = find(run, command_id)
    if command is None:
        raise Refusal("RUN_CLOSED", "Its run is closed: only commands of the current run can be changed.")
    if command.child and given is Input.RESET:
        raise Refusal("RESET_THE_CSR", "This certificate was issued here: reset the command in front of it.")
    try:
        return _advance(run, command, given, Facts(at=at))
    except Illegal as illegal:
        raise Refusal("ILLEGAL_TRANSITION", _LEGAL[given].format(state=illegal.command.state)) from None


_LEGAL: Mapping[Input, str] = {
    Input.SKIP: "The command is {state}: only PENDING, IN_PROGRESS and FAILED commands can be skipped.",
    Input.DELETE: "The command is {state}: only PENDING commands can be deleted. Skip it instead.",
    Input.RESET: "The command is {state} and cannot be reset.",
}


def _advance(run: Run, command: Command, given: Input, facts: Facts) -> Run:
    """One step, and what its effects mean for the other commands of the run."""
    after, effects = step(command, given, facts)
    run = _replace(run, command, after)
    if Effect.RELEASE_BEHIND in effects:
        run = _release_behind(run, command, facts)
    if Effect.DROP_CHILD in effects or Effect.REISSUE_CHILD in effects:
        run = _drop_child(run, command, facts)
    return run


def _replace(run: Run, command: Command, after: Command | None) -> Run:
    commands = tuple(
        kept
        for kept in (after if other.id == command.id else other for other in run.commands)
        if kept is not None
    )
    return replace(run, commands=commands)


def _release_behind(run: Run, failed: Command, facts: Facts) -> Run:
    place = [command.id for command in run.commands].index(failed.id)
    return _each(run, run.commands[place + 1 :], lambda c: c.state is State.IN_PROGRESS, Input.RELEASE, facts)


def _drop_child(run: Run, parent: Command, facts: Facts) -> Run:
    def lives(other: Command) -> bool:
        return other.child and other.position == parent.position and other.state is not State.SKIPPED

    return _each(run, run.commands, lives, Input.DROP, facts)


def _each(
    run: Run, commands: Iterable[Command], wanted: Callable[[Command], bool], given: Input, facts: Facts
) -> Run:
    for command in commands:
        if wanted(command):
            run = _replace(run, command, step(command, given, facts)[0])
    return run
