"""What a device is told about each of its results. Source: WIRE.md 3.3, 3.4."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from commands import run as rules
from commands.machine import Command, Error, ErrorCode, State
from provisioning.wire import correlation
from tests.core import keys
from tests.core.lists import NOW, SECOND, child, command, states, uuid
from tests.core.service import DEVICE, Body, Service

DONE, FAILED, WAITS, UNDER_WAY, SKIPPED = (
    State.SUCCEEDED,
    State.FAILED,
    State.PENDING,
    State.IN_PROGRESS,
    State.SKIPPED,
)
formats = pytest.mark.parametrize("format", ["json", "cbor"])


def name(command: Command) -> str:
    return correlation.make(command.id, command.attempt)


def ok(command: Command, value: Body | str | None = None) -> Body:
    return {"id": name(command), "ok": True} | ({} if value is None else {"value": value})


def failed(command: Command, code: int = 3, message: str = "no room") -> Body:
    return {"id": name(command), "ok": False, "error": {"code": code, "message": message}}


def tell(service: Service, *results: Body, received: datetime = NOW, format: str = "json") -> Body:
    """The body of `accepted`."""
    body = {"id": "r1", "results": list(results)}
    verb, answer = service.say(format, "results", body, received, received + SECOND)
    assert verb == "accepted"
    assert answer["id"] == "r1"
    return answer


def word(service: Service, result: Body, received: datetime = NOW) -> str:
    answer = tell(service, result, received=received)["results"]
    assert list(answer) == [result["id"]]
    return str(answer[result["id"]])


def closed(*more: Command) -> Service:
    """A device whose first run, a config, a key and `finished`, is closed; `more` stands behind."""
    run = [command(1, state=DONE), command(2, "key", DONE), command(3, "finished", DONE)]
    return Service([*run, *more], device=replace(DEVICE, closed_through=3))


# ---- stored


@formats
def test_a_result_is_stored_and_says_how_it_stands_now(format: str) -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, "finished", UNDER_WAY)])
    answer = tell(service, ok(service.commands[0]), format=format)
    assert answer == {
        "id": "r1",
        "status": "PROVISIONING",
        "results": {name(service.commands[0]): "stored"},
        "pending": 1,
    }
    assert service.commands[0].closed_at == NOW
    assert (service.device.status, service.device.pending) == ("PROVISIONING", 1)


def test_a_failure_is_stored_with_the_devices_reason_and_frees_what_stands_behind() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, state=UNDER_WAY), command(3)])
    answer = tell(service, failed(service.commands[0], 600, "CME says no"))
    assert (answer["status"], answer["pending"]) == ("ERROR", 0)
    assert service.commands[0].error == Error(ErrorCode.DEVICE, "CME says no", 600)
    assert states(service.run) == [FAILED, WAITS, WAITS]
    assert (service.commands[1].deliveries, service.commands[1].attempt) == (0, 0)


def test_a_failure_frees_nothing_in_front_of_it() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, state=UNDER_WAY)])
    tell(service, failed(service.commands[1]))
    assert states(service.run) == [UNDER_WAY, FAILED]


def test_what_was_freed_may_still_have_been_done() -> None:
    service = Service([command(1, state=FAILED), command(2, served_at=NOW - SECOND), command(3)])
    assert word(service, ok(service.commands[1])) == "stored"
    assert states(service.run) == [FAILED, DONE, WAITS]


def test_a_success_after_the_deliveries_were_used_up_is_stored() -> None:
    exhausted = Error(ErrorCode.DELIVERY_EXHAUSTED, "")
    service = Service([command(1, state=FAILED, error=exhausted, digest=None), command(2)])
    answer = tell(service, ok(service.commands[0]))
    assert list(answer["results"].values()) == ["stored"]
    assert (answer["status"], service.commands[0].error) == ("PROVISIONING", None)


def test_a_failure_after_the_deliveries_were_used_up_changes_nothing() -> None:
    exhausted = Error(ErrorCode.DELIVERY_EXHAUSTED, "")
    service = Service([command(1, state=FAILED, error=exhausted, digest=None)])
    assert word(service, failed(service.commands[0])) == "conflict"
    assert service.commands[0].error == exhausted


def test_a_success_erases_the_secrets_and_a_failure_keeps_them_for_a_reset() -> None:
    service = Service([command(place, "psk", UNDER_WAY, has_secrets=True) for place in (1, 2)])
    tell(service, ok(service.commands[0]), failed(service.commands[1]))
    assert [c.has_secrets for c in service.commands] == [False, True]


# ---- in list order


def test_results_of_one_message_are_applied_in_its_order() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, "finished", UNDER_WAY)])
    first, last = service.commands
    assert tell(service, ok(last), ok(first))["results"] == {name(last): "early", name(first): "stored"}
    assert tell(service, ok(first), ok(last)) == {
        "id": "r1",
        "status": "PROVISIONED",
        "results": {name(first): "duplicate", name(last): "stored"},
        "pending": 0,
    }


def test_a_result_twice_in_one_message_is_stored_once_and_called_stored() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, "finished", UNDER_WAY)])
    first, last = service.commands
    assert tell(service, ok(first), ok(first))["results"] == {name(first): "stored"}
    assert tell(service, ok(last), failed(last))["results"] == {name(last): "stored"}


def test_what_was_early_and_then_stored_in_one_message_is_called_stored() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, "finished", UNDER_WAY)])
    first, last = service.commands
    assert tell(service, ok(last), ok(first), ok(last))["results"] == {
        name(first): "stored",
        name(last): "stored",
    }


def test_a_message_without_results_is_accepted() -> None:
    service = Service([command(1)])
    assert tell(service) == {"id": "r1", "status": "READY", "results": {}, "pending": 1}


# ---- duplicate


@pytest.mark.parametrize("result", [ok, failed])
def test_the_same_result_again_is_a_duplicate(result: type) -> None:
    service = Service([command(1, state=UNDER_WAY)])
    given = result(service.commands[0])
    assert word(service, given) == "stored"
    before = service.commands[0]
    assert word(service, given, NOW + SECOND) == "duplicate"
    assert service.commands[0] is before


def test_the_same_key_again_is_a_duplicate_also_when_its_run_is_closed() -> None:
    service = Service([command(1, "key", UNDER_WAY), command(2, "finished", UNDER_WAY)])
    key, last = service.commands
    given = ok(key, {"publicKey": keys.public_key(1)})
    assert tell(service, given, ok(last))["status"] == "PROVISIONED"
    assert word(service, given, NOW + SECOND) == "duplicate"
    assert word(service, ok(last), NOW + SECOND) == "duplicate"


def test_the_same_request_again_is_a_duplicate_though_nobody_issued_it() -> None:
    service = Service([command(1, "manual", UNDER_WAY)])
    given = ok(service.commands[0], {"csr": keys.csr_pem(1)})
    assert word(service, given) == "stored"
    refused = Error(ErrorCode.ISSUE_REFUSED, "not on our list")
    after = rules.refuse_head(service.run, service.commands[0], refused, NOW)
    service.write(service.commands, after.commands)
    assert word(service, given, NOW + SECOND) == "duplicate"
    assert service.commands[0].error == refused


# ---- stale, skipped, unknown


def test_a_result_for_an_older_attempt_is_stale() -> None:
    service = Service([command(1, state=UNDER_WAY, attempt=16)])
    for attempt in (0, 15):
        old = replace(service.commands[0], attempt=attempt)
        assert word(service, ok(old)) == "stale"
    assert states(service.run) == [UNDER_WAY]


def test_a_result_for_an_older_attempt_is_stale_also_when_its_run_is_closed_or_it_is_skipped() -> None:
    service = closed(command(4, state=SKIPPED, attempt=2))
    service.change(uuid(1), attempt=1)
    assert word(service, ok(replace(service.commands[0], attempt=0))) == "stale"
    assert word(service, ok(replace(service.commands[3], attempt=1))) == "stale"


def test_a_result_for_a_skipped_command_is_skipped() -> None:
    service = closed(command(4, state=SKIPPED))
    service.change(uuid(1), state=SKIPPED)
    assert word(service, ok(service.commands[3])) == "skipped"
    assert word(service, failed(service.commands[0])) == "skipped"


def test_an_id_that_is_not_ours_is_unknown() -> None:
    service = Service([command(1, state=UNDER_WAY)])
    ours = service.commands[0]
    for strange in (
        "",
        "a",
        name(replace(ours, id=uuid(9))),
        name(ours) + ".s",
        str(ours.id),
        f"{ours.id}.00",
    ):
        assert word(service, {"id": strange, "ok": True}) == "unknown"


def test_an_attempt_that_was_never_made_is_unknown() -> None:
    service = closed(command(4, state=UNDER_WAY))
    assert word(service, ok(replace(service.commands[3], attempt=1))) == "unknown"
    assert word(service, ok(replace(service.commands[0], attempt=1))) == "unknown"


@pytest.mark.parametrize("result", [ok, failed])
def test_a_result_for_what_was_never_served_is_unknown(result: type) -> None:
    service = Service([command(1), command(2, "finished")])
    assert word(service, result(service.commands[0])) == "unknown"
    assert states(service.run) == [WAITS, WAITS]


# ---- early


UNFINISHED = {
    "open": [command(1)],
    "under way": [command(1, state=UNDER_WAY)],
    "failed": [command(1, state=FAILED)],
    "undecided": [command(1, "auto", DONE)],
    "with a certificate to load": [command(1, "auto", DONE), child(1, UNDER_WAY)],
    "with another `finished`": [command(1, "finished", UNDER_WAY)],
}


@pytest.mark.parametrize("before", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_finished_is_early_while_something_before_it_is_not_done(before: list[Command]) -> None:
    service = Service([*before, command(2, "finished", UNDER_WAY)])
    last = service.commands[-1]
    assert word(service, ok(last)) == "early"
    assert service.commands[-1] is last


def test_finished_is_stored_when_all_before_it_is_done_or_skipped() -> None:
    run = [
        command(1, "auto", DONE),
        child(1, DONE),
        command(2, state=SKIPPED),
        command(3, "finished", UNDER_WAY),
    ]
    service = Service([*run, command(4, state=WAITS)])
    assert tell(service, ok(run[-1]))["status"] == "PROVISIONED"
    assert service.device.closed_through == 3
    assert [c.position for c in service.run.commands] == [4]


def test_a_message_about_two_runs_loses_neither() -> None:
    service = closed(command(4, state=UNDER_WAY), command(5, "finished", UNDER_WAY))
    old, _, _, new, last = service.commands
    words = tell(service, failed(old), ok(new), ok(last), ok(replace(old, attempt=1)))["results"]
    assert list(words.values()) == ["conflict", "stored", "stored", "unknown"]
    assert [c.id for c in service.commands] == [uuid(place) for place in range(1, 6)]
    assert (service.commands[0], service.device.closed_through) == (old, 5)


def test_finished_may_fail_whatever_stands_before_it() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2, "finished", UNDER_WAY)])
    assert word(service, failed(service.commands[1])) == "stored"
    assert states(service.run) == [UNDER_WAY, FAILED]


# ---- conflict, and keys that are made anew


@pytest.mark.parametrize(("first", "second"), [(ok, failed), (failed, ok)])
def test_of_two_different_results_the_first_stands(first: type, second: type) -> None:
    service = Service([command(1, state=UNDER_WAY)])
    word(service, first(service.commands[0]))
    before = service.commands[0]
    assert word(service, second(service.commands[0]), NOW + SECOND) == "conflict"
    assert service.commands[0] is before


def test_two_different_failures_conflict() -> None:
    service = Service([command(1, state=UNDER_WAY)])
    word(service, failed(service.commands[0], 3))
    assert word(service, failed(service.commands[0], 4), NOW + SECOND) == "conflict"
    assert service.commands[0].error == Error(ErrorCode.DEVICE, "no room", 3)


def made(number: int) -> Body:
    return {"publicKey": keys.public_key(number)}


def test_the_key_made_last_is_the_one_in_the_device() -> None:
    service = Service([command(1, "key", UNDER_WAY)])
    assert word(service, ok(service.commands[0], made(1))) == "stored"
    assert word(service, ok(service.commands[0], made(2)), NOW + SECOND) == "stored"
    assert service.commands[0].response == made(2)
    assert service.commands[0].attempt == 0
    assert word(service, ok(service.commands[0], made(2)), NOW + 2 * SECOND) == "duplicate"


@pytest.mark.parametrize("received", [NOW, NOW - SECOND])
def test_a_key_that_was_not_received_later_does_not_replace_the_first(received: datetime) -> None:
    service = Service([command(1, "key", UNDER_WAY)])
    word(service, ok(service.commands[0], made(1)))
    assert word(service, ok(service.commands[0], made(2)), received) == "conflict"
    assert service.commands[0].response == made(1)


def test_a_newer_key_of_a_closed_run_changes_nothing() -> None:
    service = closed()
    before = list(service.commands)
    assert word(service, ok(service.commands[1], made(2))) == "conflict"
    assert service.commands == before


def test_a_newer_key_that_does_not_parse_or_a_failure_does_not_replace_the_first() -> None:
    service = Service([command(1, "key", UNDER_WAY)])
    word(service, ok(service.commands[0], made(1)))
    before = service.commands[0]
    assert word(service, ok(before, {"publicKey": "no key"}), NOW + SECOND) == "conflict"
    assert word(service, failed(before), NOW + SECOND) == "conflict"
    assert service.commands[0] is before


def test_a_key_after_one_that_did_not_parse_does_not_replace_it() -> None:
    service = Service([command(1, "key", UNDER_WAY)])
    assert word(service, ok(service.commands[0], {"publicKey": "no key"})) == "stored"
    assert word(service, ok(service.commands[0], made(1)), NOW + SECOND) == "conflict"
    assert states(service.run) == [FAILED]


@pytest.mark.parametrize(
    ("state", "left"),
    [(WAITS, None), (UNDER_WAY, SKIPPED), (DONE, SKIPPED), (FAILED, SKIPPED), (SKIPPED, SKIPPED)],
)
def test_a_newer_request_drops_the_certificate_made_from_the_old_one(
    state: State, left: State | None
) -> None:
    run = [command(1, "auto", DONE, closed_at=NOW), child(1, state, has_secrets=True), command(2)]
    service = Service(run)
    assert word(service, ok(run[0], {"csr": keys.csr_pem(2)}), NOW + SECOND) == "stored"
    found = rules.find(service.run, run[1].id)
    assert (found and found.state) is left
    assert left is None or service.command(run[1].id).has_secrets is (state is SKIPPED)
    assert rules.servable(service.run) == []


# ---- what else comes of a result


def test_only_a_new_key_of_cloud_access_is_registered() -> None:
    run = [command(1, "access", UNDER_WAY), command(2, "key", UNDER_WAY), command(3, "access", UNDER_WAY)]
    service = Service(run)
    for result, registered in (
        (ok(run[0], made(1)), [keys.public_key(1)]),
        (ok(run[0], made(1)), []),
        (ok(run[0], made(2)), [keys.public_key(2)]),
        (ok(run[1], made(3)), []),
        (ok(run[2], {"publicKey": "no key"}), []),
    ):
        tell(service, result, received=NOW + len(service.folds) * SECOND)
        assert service.folds[-1].keys == registered


def test_the_timeline_says_what_was_answered_and_why_the_device_is_now_in_error() -> None:
    old = command(1, state=SKIPPED, error=Error(ErrorCode.DEVICE, "an old story"))
    service = Service([old, command(2, state=UNDER_WAY), command(3, state=UNDER_WAY)])
    tell(service, failed(service.commands[1], 3, "no room"))
    tell(service, ok(service.commands[2]), received=NOW + SECOND)
    (first,), (second,) = (fold.entries for fold in service.folds)
    assert (first.kind, first.at, first.device_id) == ("answered", NOW, service.device.id)
    assert first.data == {
        "results": {name(old).replace("1.0", "2.0"): "stored"},
        "status": "ERROR",
        "error": "no room",
    }
    assert second.data == {"results": {name(service.commands[2]): "stored"}, "status": "ERROR"}


@formats
def test_nothing_of_a_blocked_device_is_stored(format: str) -> None:
    service = Service([command(1, state=UNDER_WAY)], device=replace(DEVICE, blocked=True))
    before = list(service.commands)
    verb, answer = service.say(format, "results", {"id": "r1", "results": [ok(before[0])]}, NOW, NOW)
    assert (verb, answer["code"], answer["id"]) == ("rejected", "BLOCKED", "r1")
    assert service.commands == before
    assert service.device == replace(DEVICE, blocked=True, status="BLOCKED")
    assert [entry.kind for entry in service.folds[0].entries] == ["refused"]
