"""Every list that a device can come to have: all that owners, devices and authorities may do, up to a length.

Two lists that differ only in times, attempts or results are one list here: nothing but the state, whether a
command was served in this attempt, and whether it failed by expiry decides what may happen to it next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from commands import run as rules
from commands.machine import Command, Error, ErrorCode, Facts, Input, Kind, State, step
from commands.run import Answer
from commands.status import Run
from tenants.errors import Refusal
from tests.core import oracle
from tests.core.lists import NOW, SECOND, child, command

NAMES = ("config", "key", "csr", "auto", "manual", "finished")
LATER = NOW + 10 * SECOND


@dataclass(frozen=True, slots=True)
class List:
    """All commands of a device, closed runs too, and where the last closed run ends."""

    commands: tuple[Command, ...] = ()
    closed_through: int = 0

    @property
    def run(self) -> Run:
        """The current run."""
        current = tuple(c for c in self.commands if c.position > self.closed_through)
        return Run(current, self.closed_through)

    @property
    def last(self) -> Run:
        """The run that closed before, as it was before it closed."""
        ends = [
            c.position
            for c in self.commands
            if c.kind is Kind.FINISHED and c.state is State.SUCCEEDED and c.position < self.closed_through
        ]
        start = max(ends, default=0)
        return Run(tuple(c for c in self.commands if start < c.position <= self.closed_through), start)


def every(length: int, names: Sequence[str] = NAMES, called: bool = True) -> set[List]:
    """The lists of at most `length` commands; without `called` those of a device that never made contact."""
    known: set[List] = {List()}
    fresh = [List()]
    while fresh:
        found = fresh.pop()
        for after in _after(found, length, names, called):
            if after not in known:
                known.add(after)
                fresh.append(after)
    return known


def _after(found: List, length: int, names: Sequence[str], called: bool) -> Iterator[List]:
    moves = [_added(found, length, names), _repaired(found)]
    if called:
        moves += [_pulled(found), _answered(found), _decided(found, length)]
    for move in moves:
        for changed in move:
            yield _plain(changed)


def _plain(changed: List) -> List:
    """The same list with what does not matter made equal."""
    commands: list[Command] = []
    place = position = closed_through = 0
    for old in changed.commands:
        place += old.position != position
        position = old.position
        commands.append(_same(place, _name(old), old.child, old.state, *_history(old)))
        if position == changed.closed_through:
            closed_through = place
    return List(tuple(commands), closed_through)


def _history(old: Command) -> tuple[bool, bool]:
    expired = old.error is not None and old.error.code is ErrorCode.DELIVERY_EXHAUSTED
    return (
        old.state is State.PENDING and old.served_at is not None,
        old.state is State.FAILED and expired,
    )


@cache
def _same(place: int, name: str, is_child: bool, state: State, served: bool, expired: bool) -> Command:
    made = child(place, state) if is_child else command(place, name, state)
    if served:
        return replace(made, served_at=NOW)
    if expired:
        return replace(made, digest=None, error=Error(ErrorCode.DELIVERY_EXHAUSTED, ""))
    return made


def _name(old: Command) -> str:
    return old.issue or _NAMES[old.kind]


_NAMES = {Kind.PLAIN: "config", Kind.KEY: "key", Kind.CSR: "csr", Kind.FINISHED: "finished"}


def _added(found: List, length: int, names: Sequence[str]) -> Iterator[List]:
    if len(found.commands) < length:
        end = max((c.position for c in found.commands), default=0) + 1
        for name in names:
            yield replace(found, commands=(*found.commands, command(end, name)))


def _repaired(found: List) -> Iterator[List]:
    run, last = found.run, found.last
    repairs = [partial(rules.reset_all, run, last, LATER)]
    for one in found.commands:
        repairs += [
            partial(rules.skip, run, one.id, LATER),
            partial(rules.delete, run, one.id, LATER),
            partial(rules.reset, run, last, one.id, LATER),
        ]
    for repair in repairs:
        try:
            yield _with(found, repair())
        except Refusal:
            continue


def _pulled(found: List) -> Iterator[List]:
    """A `get` of any size, from a device that can or cannot do the head; one delivery is the most."""
    run = rules.expire(found.run, LATER, LATER, 1)
    yield _with(found, run)
    able = rules.servable(run)
    for count in range(1, len(able) + 1):
        yield _with(found, rules.serve(run, able[:count], LATER, LATER))
    if able:
        yield _with(found, rules.refuse_head(run, able[0], Error(ErrorCode.UNSUPPORTED, ""), LATER))


def _answered(found: List) -> Iterator[List]:
    """Any result for any command, likely or not."""
    for one in found.commands:
        for error in (None, Error(ErrorCode.DEVICE, "")):
            given = Answer(one.id, one.attempt, "second", None, error)
            done = rules.answer(found.run, {}, given, LATER)
            yield _with(found, done.run, *done.past.values())


def _decided(found: List, length: int) -> Iterator[List]:
    """An authority issues the certificate, or nobody does."""
    for one in found.run.commands:
        if oracle.undecided(one, found.run.counted):
            refused = Facts(at=LATER, error=Error(ErrorCode.ISSUE_REFUSED, ""))
            yield _with(found, rules._advance(found.run, one, Input.REFUSE, refused))
            yield from _issued(found, one, length)


def _issued(found: List, request: Command, length: int) -> Iterator[List]:
    """A request has at most one child: a skipped one is done again."""
    old = next((c for c in found.commands if c.child and c.position == request.position), None)
    if old is not None:
        again, _ = step(old, Input.RESET, Facts(at=LATER))
        yield replace(found, commands=tuple(again if c is old else c for c in found.commands if again))
    elif len(found.commands) < length:
        place = found.commands.index(request) + 1
        commands = (*found.commands[:place], child(request.position), *found.commands[place:])
        yield replace(found, commands=commands)


def _with(found: List, run: Run, *closed: Command) -> List:
    """The whole list with a run as it is now; what it lacks of its old self is gone."""
    changed = {c.id: c for c in (*run.commands, *closed)}
    touched = {c.id for c in found.run.commands}
    if run.closed_through < found.closed_through:
        touched |= {c.id for c in found.last.commands}
        changed |= {c.id: c for c in found.run.commands if c.id not in changed}
    kept = [changed.get(c.id, None if c.id in touched else c) for c in found.commands]
    return List(tuple(c for c in kept if c is not None), run.closed_through)
