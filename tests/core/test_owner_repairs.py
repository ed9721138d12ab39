"""What an owner may do to a list: delete, skip, reset one or all, add; and what is refused, with its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from commands import limits
from commands import run as rules
from commands.machine import Command, Error, ErrorCode, Kind, State
from commands.status import Run, status
from tenants.errors import Refusal
from tests.core.lists import NOW, SECOND, child, command, run, states, uuid

DONE, FAILED, WAITS, UNDER_WAY, SKIPPED = (
    State.SUCCEEDED,
    State.FAILED,
    State.PENDING,
    State.IN_PROGRESS,
    State.SKIPPED,
)
EMPTY = Run()


def refusal(repair: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as raised:
        repair()
    return raised.value


def closed(*more: Command) -> Run:
    """The last run: `more`, and then a `finished` that SUCCEEDED."""
    return run(*more, command(more[-1].position + 1 if more else 1, "finished", DONE))


# ---- delete


def test_only_a_pending_command_can_be_deleted() -> None:
    found = run(command(1), command(2))
    assert [c.position for c in rules.delete(found, uuid(1), NOW).commands] == [2]
    for state in set(State) - {WAITS}:
        refused = refusal(lambda state=state: rules.delete(run(command(1, state=state)), uuid(1), NOW))  # type: ignore[misc]
        assert refused.code == "ILLEGAL_TRANSITION"
        assert (
            refused.message
            == f"The command is {state}: only PENDING commands can be deleted. Skip it instead."
        )


# ---- skip


@pytest.mark.parametrize("state", [WAITS, UNDER_WAY, FAILED])
def test_the_list_goes_on_without_a_skipped_command(state: State) -> None:
    found = rules.skip(run(command(1, "psk", state, has_secrets=True), command(2)), uuid(1), NOW)
    assert states(found) == [SKIPPED, WAITS]
    assert (found.commands[0].has_secrets, found.commands[0].closed_at) == (False, NOW)
    assert [c.position for c in rules.servable(found)] == [2]


@pytest.mark.parametrize("state", [DONE, SKIPPED])
def test_what_is_done_or_skipped_cannot_be_skipped(state: State) -> None:
    refused = refusal(lambda: rules.skip(run(command(1, state=state)), uuid(1), NOW))
    assert refused.code == "ILLEGAL_TRANSITION"
    assert refused.message.startswith(f"The command is {state}: only PENDING, IN_PROGRESS and FAILED")


# ---- reset


@pytest.mark.parametrize("state", list(State))
def test_any_command_of_the_run_can_be_done_again(state: State) -> None:
    error = Error(ErrorCode.DEVICE, "no room", 3)
    before = command(1, "key", state, attempt=2, deliveries=5, response={"publicKey": "old"}, error=error)
    after = rules.reset(run(before), EMPTY, uuid(1), NOW).commands[0]
    assert after == command(1, "key", attempt=3)


def test_a_reset_leaves_the_other_commands_alone() -> None:
    found = run(command(1, state=DONE), command(2, state=UNDER_WAY), command(3, "finished", WAITS))
    assert states(rules.reset(found, EMPTY, uuid(1), NOW)) == [WAITS, UNDER_WAY, WAITS]


def test_a_reset_keeps_the_secrets_that_are_left() -> None:
    failed = command(1, "psk", FAILED, has_secrets=True)
    assert rules.reset(run(failed), EMPTY, uuid(1), NOW).commands[0].has_secrets


def test_a_reset_in_the_last_closed_run_opens_it_again() -> None:
    last = closed(command(1, state=DONE), command(2, state=DONE))
    after = rules.reset(run(closed_through=3), last, uuid(1), NOW)
    assert states(after) == [WAITS, DONE, WAITS]
    assert [c.attempt for c in after.commands] == [1, 0, 1]
    assert (after.closed_through, status(after)) == (0, "PROVISIONING")


def test_a_reset_of_the_finished_itself_opens_its_run_again_once() -> None:
    after = rules.reset(run(closed_through=2), closed(command(1, state=DONE)), uuid(2), NOW)
    assert [(c.state, c.attempt) for c in after.commands] == [(DONE, 0), (WAITS, 1)]


def test_a_closed_run_stays_closed_once_something_stands_behind_it() -> None:
    last = closed(command(1, state=DONE))
    refused = refusal(lambda: rules.reset(run(command(3), closed_through=2), last, uuid(1), NOW))
    assert refused.code == "RUN_CLOSED"


def test_a_skipped_command_behind_a_closed_run_counts_as_if_it_were_not_there() -> None:
    last = closed(command(1, state=DONE))
    behind = run(command(3, state=SKIPPED), closed_through=2)
    assert states(rules.reset(behind, last, uuid(1), NOW)) == [WAITS, WAITS]
    assert states(rules.reset_all(behind, last, NOW)) == [WAITS, WAITS]


def test_an_older_run_stays_closed() -> None:
    assert refusal(lambda: rules.reset(EMPTY, closed(command(4)), uuid(1), NOW)).code == "RUN_CLOSED"


@pytest.mark.parametrize("repair", [rules.skip, rules.delete])
def test_a_command_of_a_closed_run_is_neither_skipped_nor_deleted(repair: object) -> None:
    act = cast("Callable[..., Run]", repair)
    assert refusal(lambda: act(run(closed_through=2), uuid(1), NOW)).code == "RUN_CLOSED"


# ---- requests and the certificates made from them


@pytest.mark.parametrize(
    ("state", "left"), [(WAITS, None), (UNDER_WAY, SKIPPED), (DONE, SKIPPED), (FAILED, SKIPPED)]
)
def test_a_reset_of_the_request_drops_its_certificate(state: State, left: State | None) -> None:
    found = run(command(1, "auto", DONE), child(1, state), command(2, state=DONE))
    after = rules.reset(found, EMPTY, uuid(1), NOW)
    assert states(after) == [WAITS, *([left] if left else []), DONE]


def test_a_skipped_certificate_stays_as_it_is_when_its_request_is_reset() -> None:
    old = child(1, SKIPPED)
    assert rules.reset(run(command(1, "auto", DONE), old), EMPTY, uuid(1), NOW).commands[1] is old


def test_another_requests_certificate_is_not_touched() -> None:
    found = run(command(1, "auto", DONE), child(1, DONE), command(2, "auto", DONE), child(2, DONE))
    assert states(rules.reset(found, EMPTY, uuid(1), NOW)) == [WAITS, SKIPPED, DONE, DONE]


def test_a_certificate_is_not_reset_alone() -> None:
    found = run(command(1, "auto", DONE), child(1, FAILED))
    assert refusal(lambda: rules.reset(found, EMPTY, child(1).id, NOW)).code == "RESET_THE_CSR"
    last = closed(*found.commands)
    assert refusal(lambda: rules.reset(run(closed_through=2), last, child(1).id, NOW)).code == "RESET_THE_CSR"


# ---- reset all


def test_reset_all_does_the_whole_run_again() -> None:
    found = run(
        command(1, state=DONE),
        command(2, "auto", DONE),
        child(2, DONE),
        command(3, "manual", DONE),
        child(3),
        command(4, state=FAILED),
        command(5, state=SKIPPED),
        command(6, "finished"),
    )
    after = rules.reset_all(found, EMPTY, NOW)
    assert [(c.position, c.child, c.state, c.attempt) for c in after.commands] == [
        (1, False, WAITS, 1),
        (2, False, WAITS, 1),
        (2, True, SKIPPED, 0),
        (3, False, WAITS, 1),
        (4, False, WAITS, 1),
        (5, False, SKIPPED, 0),
        (6, False, WAITS, 1),
    ]
    assert status(after) == "READY"


def test_reset_all_opens_the_last_closed_run_where_the_run_is_empty() -> None:
    after = rules.reset_all(run(closed_through=2), closed(command(1, state=DONE)), NOW)
    assert (states(after), after.closed_through) == ([WAITS, WAITS], 0)


def test_reset_all_leaves_closed_runs_alone_where_there_is_a_run() -> None:
    found = run(command(3, state=DONE), closed_through=2)
    after = rules.reset_all(found, closed(command(1, state=DONE)), NOW)
    assert (states(after), after.closed_through) == ([WAITS], 2)


def test_reset_all_of_nothing_changes_nothing() -> None:
    assert rules.reset_all(EMPTY, EMPTY, NOW) == EMPTY
    skipped = run(command(1, state=SKIPPED))
    assert rules.reset_all(skipped, EMPTY, NOW) == skipped


# ---- room


def room(found: Run, *issues: str | None) -> str | None:
    adding = [(Kind.CSR if issue else Kind.PLAIN, issue) for issue in issues]
    try:
        rules.check_room(found, adding)
    except Refusal as refused:
        return refused.code
    return None


def test_a_device_has_at_most_twenty_open_commands() -> None:
    found = run(
        *(command(place, state=state) for place, state in enumerate([WAITS] * 10 + [UNDER_WAY] * 9, 1))
    )
    assert room(found, None) is None
    assert room(found, None, None) == "QUEUE_FULL"
    assert room(EMPTY, *[None] * limits.MAX_OPEN) is None
    assert room(EMPTY, *[None] * (limits.MAX_OPEN + 1)) == "QUEUE_FULL"


@pytest.mark.parametrize("state", [DONE, FAILED, SKIPPED])
def test_what_is_closed_takes_no_room(state: State) -> None:
    assert room(run(*(command(place, state=state) for place in range(1, 100))), *[None] * 20) is None


def test_a_request_to_be_issued_counts_two_until_its_certificate_stands() -> None:
    assert room(EMPTY, *["auto"] * 10) is None
    assert room(EMPTY, *["auto"] * 10, None) == "QUEUE_FULL"
    for name, used in (("csr", 1), ("auto", 2), ("manual", 2)):
        assert room(run(command(1, name)), *[None] * (20 - used)) is None
        assert room(run(command(1, name)), *[None] * (21 - used)) == "QUEUE_FULL"
    undecided = run(command(1, "auto", DONE))
    assert (room(undecided, *[None] * 19), room(undecided, *[None] * 20)) == (None, "QUEUE_FULL")
    stands = run(command(1, "auto", DONE), child(1, DONE))
    assert room(stands, *[None] * 20) is None


def test_a_run_has_at_most_two_hundred_commands() -> None:
    found = run(*(command(place, state=DONE) for place in range(1, 200)))
    assert room(found, None) is None
    refused = refusal(lambda: rules.check_room(found, [(Kind.PLAIN, None)] * 2))
    assert refused.code == "QUEUE_FULL"
    assert "end it with `finished`" in refused.message


# ---- what the device did meanwhile stays


def test_a_repair_of_a_blocked_device_does_not_unblock_it() -> None:
    after = rules.skip(run(command(1), blocked=True), uuid(1), NOW + SECOND)
    assert (after.blocked, status(after)) == (True, "BLOCKED")
