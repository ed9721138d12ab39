"""`explain` says why a device stands where it stands and what to do, for every status and every error."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from commands import machine
from commands.catalogue import TYPES
from commands.explain import ERRORS, STATUSES, Explanation, Facts, explain
from commands.machine import Error, ErrorCode, State
from commands.status import Run
from devices.status import Status
from tests.rest.cast import CONFIG, DEVICES, FINISHED, PSK, Board, Cast

AT = datetime(2026, 5, 17, 12, tzinfo=UTC)
FACTS = Facts(uuid4(), "prov/v1/x/json/get", AT, AT + timedelta(hours=1), credentials=True)
UNSEEN = Facts(FACTS.device_id, FACTS.address, AT, None, credentials=True)


def command(type: str, state: State, position: int = 1, **more: object) -> machine.Command:
    return machine.Command(
        id=uuid4(),
        position=position,
        kind=TYPES[type].kind,
        type=type,
        state=state,
        **more,  # type: ignore[arg-type]
    )


def failed(error: Error) -> Explanation:
    return explain(Run((command("config", State.FAILED, error=error, closed_at=AT),)), FACTS)


def test_there_is_a_sentence_for_every_status_and_every_error() -> None:
    assert set(STATUSES) == set(Status)
    assert set(ERRORS) == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_is_told_with_its_message_and_its_repair(code: ErrorCode) -> None:
    said = failed(Error(code, "it {burns}"))
    assert said.status is Status.ERROR
    assert "Command 1 (config) failed" in said.why
    assert "“it {burns}”" in said.why
    assert f"POST …/provisioning/{said.command_id}/" in said.next
    assert "{" not in said.next
    assert said.since == AT


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (1, "does not support"),
        (2, "refused a parameter"),
        (3, "no room"),
        (4, "refused the key"),
        (5, "could not store"),
        (513, "the modem's own (CME)"),
        (-7, "the device's own"),
        (1000, "the device's own"),
    ],
)
def test_the_devices_own_number_is_told(detail: int, words: str) -> None:
    said = failed(Error(ErrorCode.DEVICE, "no", detail))
    assert f"Its error {detail}" in said.next
    assert words in said.next


def test_a_device_that_nobody_saw_is_told_where_it_should_call() -> None:
    said = explain(Run((command("config", State.PENDING),)), UNSEEN)
    assert said.status is Status.READY
    assert "1 command waits" in said.why
    assert "Nobody has seen this device yet" in said.why
    assert f"signs in to the MQTT broker as {FACTS.device_id}" in said.next
    assert "publishes to prov/v1/x/json/get" in said.next


def test_a_device_without_a_credential_is_told_so() -> None:
    bare = Facts(FACTS.device_id, FACTS.address, AT, None, credentials=False)
    assert "POST …/credentials" in explain(Run((command("config", State.PENDING),)), bare).next


def test_a_device_that_was_seen_may_be_asleep() -> None:
    said = explain(Run((command("config", State.PENDING), command("finished", State.PENDING, 2))), FACTS)
    assert "2 commands wait" in said.why
    assert "last seen at 2026-05-17 13:00:00 UTC" in said.why
    assert "asleep" in said.next


def test_a_device_of_which_nothing_is_asked_needs_commands() -> None:
    said = explain(Run(), FACTS)
    assert (said.status, said.command_id) == (Status.READY, None)
    assert "POST …/provisioning" in said.next


def test_a_provisioned_device_pulls_what_was_added_since() -> None:
    added = command("config", State.PENDING, 8)
    said = explain(Run((added,), closed_through=7), FACTS)
    assert (said.status, said.command_id) == (Status.PROVISIONED, added.id)
    assert "up to its `finished`. 1 command waits for its next pull" in said.why


def test_a_served_command_is_waited_for() -> None:
    served = command("config", State.IN_PROGRESS, deliveries=3, served_at=AT)
    said = explain(Run((served,)), FACTS)
    assert said.status is Status.PROVISIONING
    assert "deliveries in this attempt: 3" in said.why
    assert (said.command_id, said.since) == (served.id, AT)
    assert f"{served.id}/skip" in said.next


def test_what_stands_behind_what_was_done_waits_for_a_pull() -> None:
    done, next_one = command("config", State.SUCCEEDED), command("config", State.PENDING, 2)
    said = explain(Run((done, next_one)), FACTS)
    assert said.status is Status.PROVISIONING
    assert (said.command_id, "2 (config)" in said.why) == (next_one.id, True)


def test_a_list_that_does_not_end_is_awaiting_its_end() -> None:
    done = command("config", State.SUCCEEDED, closed_at=AT)
    said = explain(Run((done,)), FACTS)
    assert (said.status, said.since, said.command_id) == (Status.AWAITING, AT, done.id)
    assert said.next.startswith("Add what is still to come")
    assert "`finished`" in said.next


def test_a_csr_is_to_be_signed_until_a_certificate_stands_behind_it() -> None:
    csr = command("certificateSigningRequest", State.SUCCEEDED)
    assert "Sign the CSR in the response of command 1" in explain(Run((csr,)), FACTS).next
    answered = Run((csr, command("clientCertificate", State.SUCCEEDED, 2)))
    assert "Sign" not in explain(answered, FACTS).next


def test_a_certificate_that_is_being_issued_is_waited_for() -> None:
    csr = command("certificateSigningRequest", State.SUCCEEDED, issue="auto")
    assert "is being issued" in explain(Run((csr, command("finished", State.PENDING, 2))), FACTS).why
    assert "is being issued" in explain(Run((csr,)), FACTS).why
    manual = command("certificateSigningRequest", State.SUCCEEDED, issue="manual")
    assert "approve or reject" in explain(Run((manual,)), FACTS).why


def test_a_skipped_failure_is_no_failure() -> None:
    skipped = command("config", State.SKIPPED, error=Error(ErrorCode.DEVICE, "no", 2))
    assert explain(Run((skipped,)), FACTS).status is Status.READY


def test_over_rest_every_status_is_explained(cast: Cast, device: str, board: Board) -> None:
    def told() -> tuple[str, str | None, str | None]:
        said = cast.viewer.get(f"{DEVICES}/{device}/explain")
        assert said.status == 200
        assert set(said.body) == {"status", "why", "commandId", "since", "next"}
        assert said.body["status"] == cast.viewer.get(f"{DEVICES}/{device}").body["status"]
        return said.body["status"], said.body["commandId"], said.body["since"]

    def shown(command: str) -> dict[str, str]:
        return dict(cast.viewer.get(f"{DEVICES}/{device}/provisioning/{command}").body)

    claimed = cast.viewer.get(f"{DEVICES}/{device}").body["claimedAt"]
    assert told() == ("READY", None, claimed)
    first, second = cast.editor.commands(device, CONFIG, PSK)
    assert told() == ("READY", first, claimed)
    board.pull()
    assert told() == ("PROVISIONING", first, shown(first)["servedAt"])
    board.fail()
    assert told() == ("ERROR", first, shown(first)["closedAt"])
    cast.editor.post(f"{DEVICES}/{device}/provisioning/{first}/skip")
    board.do_all()
    assert told() == ("AWAITING", second, shown(second)["closedAt"])
    (third,) = cast.editor.commands(device, FINISHED)
    board.do_all()
    assert told() == ("PROVISIONED", None, shown(third)["closedAt"])
    cast.editor.post(f"{DEVICES}/{device}/block")
    blocked = cast.viewer.get(f"{DEVICES}/{device}/timeline").body["items"][0]
    assert told() == ("BLOCKED", None, blocked["at"])
