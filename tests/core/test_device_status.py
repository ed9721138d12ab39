"""A device's status: each rule of the design, and all lists of up to four commands, reachable or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest

from commands import run as rules
from commands.machine import OPEN, Command, Kind, State
from commands.status import RULES, Run, status, undecided
from devices.status import Status
from tests.core import oracle, reachable
from tests.core.lists import child, command, run
from tests.core.reachable import List

DONE, FAILED, WAITS, UNDER_WAY, SKIPPED = (
    State.SUCCEEDED,
    State.FAILED,
    State.PENDING,
    State.IN_PROGRESS,
    State.SKIPPED,
)
THOROUGH = "KEYSEED_THOROUGH" in os.environ
FIRST = 5

# Each line: the sentence of the design that decides, and a list that it decides.
LISTS = [
    ("READY: the run is empty, and no `finished` SUCCEEDED", "READY", run()),
    ("READY: every command is PENDING", "READY", run(command(1), command(2, "finished"))),
    ("READY: a skipped command counts as if it were not there", "READY", run(command(1, state=SKIPPED))),
    ("READY: and one behind it is PENDING", "READY", run(command(1, state=SKIPPED), command(2))),
    ("PROVISIONED: the run is empty, and a `finished` SUCCEEDED", "PROVISIONED", run(closed_through=3)),
    ("PROVISIONED: the new run is PENDING", "PROVISIONED", run(command(4), closed_through=3)),
    (
        "PROVISIONED: it moves when it pulls",
        "PROVISIONING",
        run(command(4, state=UNDER_WAY), closed_through=3),
    ),
    (
        "PROVISIONED: what the new run has is skipped",
        "PROVISIONED",
        run(command(4, state=SKIPPED), closed_through=3),
    ),
    ("ERROR: some command is FAILED", "ERROR", run(command(1, state=FAILED), command(2))),
    ("ERROR: wherever it is", "ERROR", run(command(1), command(2, state=DONE), command(3, state=FAILED))),
    ("ERROR: before PROVISIONED", "ERROR", run(command(4, state=FAILED), command(5), closed_through=3)),
    (
        "ERROR: not of a FAILED that was skipped",
        "PROVISIONING",
        run(command(1, state=SKIPPED), command(2, state=DONE), command(3)),
    ),
    ("AWAITING: no command is open", "AWAITING", run(command(1, state=DONE))),
    ("AWAITING: nor of a second run", "AWAITING", run(command(4, state=DONE), closed_through=3)),
    ("AWAITING: for a person", "AWAITING", run(command(1, "manual", DONE), command(2))),
    (
        "AWAITING: for a person, behind what is done",
        "AWAITING",
        run(command(1, state=DONE), command(2, "manual", DONE), command(3, "finished")),
    ),
    (
        "AWAITING: for a person, who has to decide again after a newer key",
        "AWAITING",
        run(command(1, "manual", DONE), child(1, SKIPPED), command(2, state=UNDER_WAY)),
    ),
    ("AWAITING: also for an authority, if nothing else is open", "AWAITING", run(command(1, "auto", DONE))),
    ("PROVISIONING: an authority decides soon", "PROVISIONING", run(command(1, "auto", DONE), command(2))),
    ("PROVISIONING: the certificate stands", "PROVISIONING", run(command(1, "manual", DONE), child(1))),
    (
        "PROVISIONING: something before the CSR is to be done again",
        "PROVISIONING",
        run(command(1), command(2, "manual", DONE), command(3)),
    ),
    (
        "PROVISIONING: a request without `issue` waits for nobody",
        "PROVISIONING",
        run(command(1, "csr", DONE), command(2)),
    ),
    ("PROVISIONING: the device has it", "PROVISIONING", run(command(1, state=UNDER_WAY))),
    (
        "PROVISIONING: some are done, some not",
        "PROVISIONING",
        run(command(1, state=DONE), command(2, "finished")),
    ),
]


@pytest.mark.parametrize(("sentence", "word", "run"), LISTS, ids=[line[0] for line in LISTS])
def test_the_status_is_what_the_design_says(sentence: str, word: str, run: Run) -> None:
    assert status(run).value == word


@pytest.mark.parametrize("run", [line[2] for line in LISTS], ids=[line[0] for line in LISTS])
def test_blocked_wins_over_everything(run: Run) -> None:
    assert status(Run(run.commands, run.closed_through, blocked=True)) is Status.BLOCKED


def test_there_are_six_words_and_every_one_has_a_rule() -> None:
    words = ["BLOCKED", "ERROR", "PROVISIONED", "READY", "AWAITING", "PROVISIONING"]
    assert [rule.status.value for rule in RULES] == words
    assert {word.value for word in Status} == set(words)


# ---- all lists of up to four commands, also those that nothing leads to


def sections(position: int) -> Iterator[tuple[Command, ...]]:
    """One command in every state, or a request with the certificate made from it."""
    for name in ("config", "auto", "manual", "finished"):
        for state in State:
            yield (command(position, name, state),)
    for name in ("auto", "manual"):
        for state in State:
            yield (command(position, name, DONE), child(position, state))


@cache
def lists(length: int) -> list[tuple[Command, ...]]:
    """Every list of that many commands."""
    if length == 0:
        return [()]
    found = []
    for size in (1, 2)[:length]:
        for rest in lists(length - size):
            place = rest[-1].position + 1 if rest else FIRST
            found += [(*rest, *section) for section in sections(place) if len(section) == size]
    return found


@pytest.mark.parametrize(
    ("length", "closed_through"), [*product(range(4), (0, FIRST - 1)), (4, 0)] + [(4, FIRST - 1)] * THOROUGH
)
def test_no_list_hides_a_failure_or_work(length: int, closed_through: int) -> None:
    for commands in lists(length):
        check(Run(commands, closed_through))


def check(run: Run) -> None:
    """What holds for every list of a device that is not blocked."""
    word = status(run)
    assert word.value == oracle.status(run.commands, run.closed_through, blocked=False)
    states = {c.state for c in run.commands}
    able = rules.servable(run)
    assert able == oracle.servable(run.commands, run.closed_through, blocked=False)
    assert (word is Status.ERROR) == (FAILED in states), "a hidden FAILED"
    if word in (Status.READY, Status.PROVISIONED):
        assert states <= {WAITS, SKIPPED}, "hidden work"
        assert (word is Status.PROVISIONED) == (run.closed_through > 0)
    if word is Status.AWAITING:
        assert not able, "hidden work"
    if word is Status.PROVISIONING:
        assert states & OPEN, "nothing to do, and nobody says so"
    assert not (word is Status.ERROR and able)


# ---- the lists that the machine can reach


LENGTHS = [(2, reachable.NAMES), (3, ("config", "manual", "finished"))]
if THOROUGH:
    LENGTHS += [(3, reachable.NAMES), (4, ("config", "manual", "finished"))]


@pytest.mark.timeout(1800 if THOROUGH else 60)
@pytest.mark.parametrize(("length", "names"), LENGTHS, ids=str)
def test_whatever_people_and_devices_do_the_list_stays_sound(length: int, names: tuple[str, ...]) -> None:
    known = reachable.every(length, names)
    for found in known:
        check(found.run)
        check_sound(found)
    assert {status(found.run) for found in known} == set(Status) - {Status.BLOCKED}


def check_sound(found: List) -> None:
    """What only holds because of how lists come about."""
    run = found.run
    counted = run.counted
    failed = next((place for place, c in enumerate(counted) if c.state is FAILED), len(counted))
    assert UNDER_WAY not in [c.state for c in counted[failed:]], "every FAILED releases those behind it"
    closed = [c for c in found.commands if c.position <= found.closed_through]
    assert {c.state for c in closed} <= {DONE, SKIPPED}
    assert not closed or (closed[-1].kind, closed[-1].state) == (Kind.FINISHED, DONE)
    assert not any(c.kind is Kind.FINISHED and c.state is DONE for c in run.commands)
    for c in found.commands:
        if c.child and c.state is not SKIPPED:
            parent = next(p for p in found.commands if p.position == c.position and not p.child)
            assert parent.state is DONE
            assert not undecided(parent, found.commands)


def test_a_device_that_never_called_is_always_ready() -> None:
    known = reachable.every(4, ("config", "manual", "finished"), called=False)
    assert len(known) > 1000
    assert {status(found.run) for found in known} == {Status.READY}
