"""Repairs ask first, then act through the same services as REST, in the operator's name."""

from collections.abc import Callable

import pytest

from commands import services as commands
from commands.models import Command
from devices.models import Device
from tests.admin import people
from tests.admin.people import CONFIG, FINISHED, PSK, WORK, Operator
from tests.rest.cast import Board


def test_looking_at_a_question_changes_nothing(anna: Operator) -> None:
    device = people.failed()
    config = people.command(device, "config")
    for key in ("reset", "skip", "delete"):
        anna.see(people.repair(device, config.id, key))
    for key in ("block", "unblock", "reset-run"):
        anna.see(people.do(device, key))
    assert people.status(device) == "ERROR"
    assert people.history(device) == [("defined", "key:test"), ("added", "key:test")]


def test_a_question_says_what_will_happen(anna: Operator) -> None:
    device = people.failed()
    shown = people.text(anna.see(people.repair(device, people.command(device, "config").id, "skip")))
    assert "Skip command 3 config?" in shown
    assert "The list goes on as if the command were not there; its secrets are erased." in shown


def test_a_failed_command_is_skipped(anna: Operator) -> None:
    device = people.failed()
    config = people.command(device, "config")
    assert anna.press(people.repair(device, config.id, "skip")) == ["success: 3 config is skipped."]
    assert people.command(device, "config").status == "SKIPPED"
    assert people.status(device) == "PROVISIONING"
    assert people.history(device)[-1] == ("skipped", anna.by)


def test_a_failed_command_is_reset(anna: Operator) -> None:
    device = people.failed()
    anna.press(people.repair(device, people.command(device, "config").id, "reset"))
    config = people.command(device, "config")
    assert (config.status, config.attempt, config.error) == ("PENDING", 1, None)
    assert people.history(device)[-1] == ("reset", anna.by)


def test_a_pending_command_is_deleted(anna: Operator) -> None:
    device = people.device("SN-17", *WORK)
    config = people.command(device, "config")
    assert anna.press(people.repair(device, config.id, "delete")) == ["success: 3 config is deleted."]
    assert not Command.objects.filter(id=config.id).exists()
    assert people.history(device)[-1] == ("deleted", anna.by)


def test_block_and_unblock(anna: Operator) -> None:
    device = people.device("SN-17", CONFIG)
    assert people.do(device, "unblock") not in anna.see(people.page(device))
    assert anna.press(people.do(device, "block")) == ["success: SN-17 is blocked."]
    assert people.status(device) == "BLOCKED"
    assert people.outbox(device) == ["credentials", "kick"]
    assert Board(str(device.id)).say("get", {})["code"] == "BLOCKED"
    assert people.do(device, "block") not in anna.see(people.page(device))
    anna.press(people.do(device, "unblock"))
    assert people.status(device) == "READY"
    assert people.history(device)[-2:] == [("blocked", anna.by), ("unblocked", anna.by)]


def test_the_whole_run_is_reset(anna: Operator) -> None:
    device = people.device("SN-17", CONFIG, FINISHED)
    Board(str(device.id)).do_all()
    assert people.status(device) == "PROVISIONED"
    assert anna.press(people.do(device, "reset-run")) == ["success: SN-17 has its run reset."]
    assert people.status(device) == "READY"
    assert {(c.status, c.attempt) for c in Command.objects.all()} == {("PENDING", 1)}


# ---- what is refused


def _skip_done(device: Device) -> str:
    return people.repair(device, people.command(device, "clientPrivateKeyGeneration").id, "skip")


def _delete_failed(device: Device) -> str:
    return people.repair(device, people.command(device, "config").id, "delete")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (_skip_done, "only PENDING, IN_PROGRESS and FAILED commands can be skipped"),
        (_delete_failed, "only PENDING commands can be deleted. Skip it instead."),
    ],
)
def test_a_refusal_is_said_in_red_and_changes_nothing(
    anna: Operator, address: Callable[[Device], str], reason: str
) -> None:
    device = people.failed()
    before = list(Command.objects.order_by("position").values())
    (message,) = anna.press(address(device))
    assert message.startswith("error: The command's state does not allow this. ")
    assert reason in message
    assert list(Command.objects.order_by("position").values()) == before


def test_a_refusal_stands_on_the_page_that_follows(anna: Operator) -> None:
    device = people.failed()
    anna.post(_skip_done(device))
    assert "only PENDING, IN_PROGRESS and FAILED commands can be skipped" in anna.see(people.page(device))


def test_a_command_of_a_closed_run_is_told_so(anna: Operator) -> None:
    device = people.provisioned()
    commands.add(device.tenant_id, device.id, [commands.New(CONFIG)], "key:test")
    closed = Command.objects.get(device=device, position=4)
    (message,) = anna.press(people.repair(device, closed.id, "reset"))
    assert "Its run is closed: add the command again at the end of the list." in message


def test_a_command_of_another_device_is_not_found(anna: Operator) -> None:
    one, other = people.device("SN-1", CONFIG), people.device("SN-2", CONFIG)
    address = people.repair(one, people.command(other, "config").id, "skip")
    anna.see(address, status=404)
    assert anna.post(address).status_code == 404
    assert people.command(other, "config").status == "PENDING"


# ---- erased secrets


def test_a_reset_that_needs_a_secret_asks_for_it(anna: Operator) -> None:
    device = people.failed()
    shared = people.command(device, "preSharedKey")
    assert shared.secrets is None
    address = people.repair(device, shared.id, "reset")
    page = anna.see(address)
    assert f'name="{shared.id}.secret"' in page
    assert anna.press(address, {f"{shared.id}.secret": PSK}) == ["success: 2 preSharedKey is reset."]
    shared.refresh_from_db()
    assert (shared.status, shared.attempt) == ("PENDING", 1)
    assert shared.secrets is not None


def test_a_reset_whose_secret_is_kept_does_not_ask(anna: Operator) -> None:
    device = people.device("SN-17", *WORK)
    shared = people.command(device, "preSharedKey")
    address = people.repair(device, shared.id, "reset")
    assert ".secret" not in anna.see(address)
    anna.press(address)
    shared.refresh_from_db()
    assert shared.attempt == 1


def test_without_the_secret_the_question_stays(anna: Operator) -> None:
    device = people.failed()
    shared = people.command(device, "preSharedKey")
    answer = anna.post(people.repair(device, shared.id, "reset"))
    assert answer.status_code == 200
    assert "This field is required" in answer.content.decode()
    shared.refresh_from_db()
    assert shared.attempt == 0


def test_a_wrong_secret_is_refused_and_not_repeated(anna: Operator) -> None:
    device = people.failed()
    shared = people.command(device, "preSharedKey")
    wrong = "not hexadecimal: zzzz"
    (message,) = anna.press(people.repair(device, shared.id, "reset"), {f"{shared.id}.secret": wrong})
    assert "Must be an even number of hexadecimal digits" in message
    assert wrong not in message
    assert wrong not in anna.see(people.page(device))


def test_the_whole_run_asks_for_every_secret_at_once(anna: Operator) -> None:
    device = people.provisioned()
    shared = people.command(device, "preSharedKey")
    address = people.do(device, "reset-run")
    assert anna.see(address).count('type="password"') == 1
    anna.press(address, {f"{shared.id}.secret": PSK})
    assert people.status(device) == "READY"


def test_a_typed_key_does_not_come_back_when_another_field_is_missing(anna: Operator) -> None:
    device = people.device("SN-17", *WORK)
    first = people.command(device, "preSharedKey")
    key = Command.objects.create(
        device=device,
        position=9,
        type="clientPrivateKey",
        status="SUCCEEDED",
        request={"secTag": 1, "content": "***", "password": "***"},
        created_at=first.created_at,
    )
    address = people.repair(device, key.id, "reset")
    assert "<textarea" in anna.see(address)
    answer = anna.post(address, {f"{key.id}.content": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIkept"})
    assert answer.status_code == 200
    assert "MIIkept" not in answer.content.decode()
