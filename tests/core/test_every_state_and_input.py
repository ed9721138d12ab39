"""Every state meets every input under every circumstance: the table of the design is all that can happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest

from commands.machine import (
    TABLE,
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
from tests.core.lists import NOW

# "Command states" of the design, line by line: state | input | only if | next | what becomes of the command.
# `drop` is how a child goes with its request; IN_PROGRESS | refuse is for a device whose buffer shrank.
DESIGN = """
PENDING     | serve     |                | IN_PROGRESS | delivered
PENDING     | succeed   | served before  | SUCCEEDED   | result, erased
PENDING     | fail      | served before  | FAILED      | error, release
PENDING     | refuse    | at the head    | FAILED      | error, release
PENDING     | skip      |                | SKIPPED     | erased, closed, drop child
PENDING     | delete    |                | gone        |
PENDING     | reset     |                | PENDING     | again, drop child
PENDING     | drop      | child          | gone        |
IN_PROGRESS | serve     |                | IN_PROGRESS | delivered
IN_PROGRESS | succeed   |                | SUCCEEDED   | result, erased
IN_PROGRESS | fail      |                | FAILED      | error, release
IN_PROGRESS | refuse    | at the head    | FAILED      | error, release
IN_PROGRESS | expire    |                | FAILED      | error, release
IN_PROGRESS | release   |                | PENDING     | deliveries 0
IN_PROGRESS | skip      |                | SKIPPED     | erased, closed, drop child
IN_PROGRESS | reset     |                | PENDING     | again, drop child
IN_PROGRESS | drop      | child          | SKIPPED     | erased, closed, drop child
SUCCEEDED   | supersede | newer key      | SUCCEEDED   | result, reissue
SUCCEEDED   | refuse    | not yet issued | FAILED      | error, release
SUCCEEDED   | reset     |                | PENDING     | again, drop child
SUCCEEDED   | drop      | child          | SKIPPED     | erased, closed, drop child
FAILED      | succeed   | by expiry      | SUCCEEDED   | result, erased
FAILED      | skip      |                | SKIPPED     | erased, closed, drop child
FAILED      | reset     |                | PENDING     | again, drop child
FAILED      | drop      | child          | SKIPPED     | erased, closed, drop child
SKIPPED     | reset     |                | PENDING     | again, drop child
"""
ELSEWHERE = {
    "release": Effect.RELEASE_BEHIND,
    "drop child": Effect.DROP_CHILD,
    "reissue": Effect.REISSUE_CHILD,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of DESIGN."""

    only_if: str
    next: str
    what: tuple[str, ...]


def _lines() -> Iterator[tuple[tuple[str, str], Line]]:
    for text in DESIGN.strip().splitlines():
        state, given, only_if, following, what = (cell.strip() for cell in text.split("|"))
        yield (state, given), Line(only_if, following, tuple(filter(None, what.split(", "))))


LINES = dict(_lines())
ERRORS = (None, *(Error(code, "before", 7) for code in ErrorCode))
NEW = Facts(
    at=NOW + timedelta(minutes=1),
    response={"csr": "new"},
    digest="new",
    error=Error(ErrorCode.BAD_RESULT, "new"),
)


def circumstances(state: State) -> Iterator[tuple[Command, Facts]]:
    for kind, issue, child, served, error in product(
        Kind, (None, "auto", "manual"), (False, True), (None, NOW), ERRORS
    ):
        command = Command(
            UUID(int=5),
            3,
            kind,
            "any",
            state,
            6,
            4,
            served,
            NOW,
            {"csr": "old"},
            error,
            "old",
            True,
            issue,
            child,
        )
        for head, run_open, issued in product((False, True), repeat=3):
            yield command, replace(NEW, head=head, run_open=run_open, issued=issued)


def holds(only_if: str, command: Command, facts: Facts) -> bool:
    return {
        "": True,
        "served before": command.served_at is not None,
        "at the head": facts.head,
        "child": command.child,
        "newer key": command.kind in (Kind.KEY, Kind.CSR) and facts.run_open,
        "not yet issued": command.kind is Kind.CSR and command.issue is not None and not facts.issued,
        "by expiry": command.error is not None and command.error.code is ErrorCode.DELIVERY_EXHAUSTED,
    }[only_if]


def expected(line: Line, command: Command, facts: Facts) -> Command:
    """The command as the line leaves it."""
    changes: dict[str, dict[str, object]] = {
        "delivered": {"deliveries": command.deliveries + 1, "served_at": facts.at},
        "deliveries 0": {"deliveries": 0},
        "result": {"response": {"csr": "new"}, "digest": "new", "error": None, "closed_at": facts.at},
        "error": {"response": {"csr": "new"}, "digest": "new", "error": facts.error, "closed_at": facts.at},
        "erased": {"has_secrets": False},
        "closed": {"closed_at": facts.at},
        "again": {"attempt": command.attempt + 1, "deliveries": 0}
        | dict.fromkeys(("served_at", "closed_at", "response", "error", "digest")),
    }
    told = dict(pair for what in line.what for pair in changes.get(what, {}).items())
    return replace(command, state=State(line.next), **told)  # type: ignore[arg-type]


def test_the_table_has_the_lines_of_the_design_and_no_other() -> None:
    assert {(state.value, given.value) for state, given in TABLE} == set(LINES)


@pytest.mark.parametrize(("state", "given"), list(product(State, Input)), ids=lambda word: word.value)
def test_only_what_the_design_allows_happens_and_nothing_else_changes(state: State, given: Input) -> None:
    line = LINES.get((state.value, given.value))
    for command, facts in circumstances(state):
        before = [getattr(command, field.name) for field in fields(command)]
        if line is None or not holds(line.only_if, command, facts):
            with pytest.raises(Illegal) as refused:
                step(command, given, facts)
            assert (refused.value.command, refused.value.input) == (command, given)
        else:
            after, effects = step(command, given, facts)
            assert after == (None if line.next == "gone" else expected(line, command, facts))
            asked = {ELSEWHERE[what] for what in line.what if what in ELSEWHERE}
            assert set(effects) & set(ELSEWHERE.values()) == asked
        assert [getattr(command, field.name) for field in fields(command)] == before


@pytest.mark.parametrize("given", Input, ids=lambda word: word.value)
def test_nothing_ever_changes_what_a_command_is(given: Input) -> None:
    for state in State:
        for command, facts in circumstances(state):
            try:
                after, _ = step(command, given, facts)
            except Illegal:
                continue
            if after is not None:
                kept = ("id", "position", "kind", "type", "issue", "child")
                assert [getattr(after, name) for name in kept] == [getattr(command, name) for name in kept]
                assert after.attempt in (command.attempt, command.attempt + 1)


def test_a_refusal_says_what_is_not_possible_on_what() -> None:
    command = Command(UUID(int=5), 3, Kind.PLAIN, "config", State.SUCCEEDED)
    with pytest.raises(Illegal, match=r"skip is not possible on a SUCCEEDED command$"):
        step(command, Input.SKIP, Facts(at=NOW))
    with pytest.raises(Illegal, match=r"not at the head of what is open$"):
        step(replace(command, state=State.PENDING), Input.REFUSE, Facts(at=NOW))


def test_a_refused_request_keeps_what_the_device_sent() -> None:
    # Its owner wants to see it, and the same result again must stay a duplicate (WIRE.md 3.4).
    sent = replace(
        Command(UUID(int=5), 3, Kind.CSR, "certificateSigningRequest", State.SUCCEEDED, issue="manual"),
        response={"csr": "sent"},
        digest="d",
    )
    refused, _ = step(sent, Input.REFUSE, Facts(at=NOW, error=Error(ErrorCode.ISSUE_REFUSED, "no")))
    assert refused is not None
    assert (refused.response, refused.digest) == ({"csr": "sent"}, "d")
