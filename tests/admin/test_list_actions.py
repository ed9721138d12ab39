"""Actions on many devices ask first, act on each by itself, and say how many refused and why."""

from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry

from commands.admin import bulk
from commands.models import Command
from devices.models import Device
from tests.admin import people
from tests.admin.people import CONFIG, DEVICES, FINISHED, Operator
from tests.rest.cast import Board

ACTIONS = ["block", "unblock", "reset_run", "skip_first_failed", "delete_selected"]


def ask(anna: Operator, action: str, devices: list[Device], query: str = "") -> str:
    """The question, as text."""
    chosen = {"action": action, "index": "0", "select_across": "0"}
    answer = anna.post(f"{DEVICES}{query}", {**chosen, "_selected_action": [str(d.id) for d in devices]})
    assert answer.status_code == 200, answer.headers
    return str(answer.render().content.decode())  # type: ignore[attr-defined]


def run(anna: Operator, action: str, devices: list[Device], filters: str = "") -> list[str]:
    """What the messages say once the question is answered."""
    answer = anna.post(*_answer(action, [str(d.id) for d in devices], filters))
    assert answer.status_code == 302
    return people.said(answer)


def _answer(action: str, ids: list[str], filters: str = "") -> tuple[str, dict[str, Any]]:
    return f"{DEVICES}bulk/{action}/", {"devices": ",".join(ids), "filters": filters}


def test_the_list_offers_its_actions(anna: Operator) -> None:
    people.device()
    page = anna.see(DEVICES)
    for action in ACTIONS:
        assert f'<option value="{action}">' in page


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_asks_first_and_names_the_devices(anna: Operator, action: str) -> None:
    devices = [people.failed("SN-1"), people.device("SN-2")]
    shown = people.text(ask(anna, action, devices))
    assert "2 devices?" in shown
    assert f"SN-1 ({devices[0].id}), ERROR" in shown
    assert Device.objects.filter(blocked=True).count() == 0
    assert Command.objects.exclude(attempt=0).count() == 0
    assert people.status(devices[0]) == "ERROR"


def test_the_answer_acts_on_exactly_the_devices_that_were_named(anna: Operator) -> None:
    devices = [people.device("SN-1"), people.device("SN-2")]
    page = ask(anna, "block", devices[:1])
    assert f'name="devices" value="{devices[0].id}"' in page
    assert f'action="{DEVICES}bulk/block/"' in page


def test_block_and_unblock(anna: Operator) -> None:
    devices = [people.device("SN-1"), people.device("SN-2", of="there")]
    people.device("SN-3")
    assert run(anna, "block", devices) == ["success: Block: done for 2 devices."]
    assert Device.objects.filter(blocked=True).count() == 2
    assert people.history(devices[1])[-1] == ("blocked", anna.by)
    anna.see(DEVICES)
    assert run(anna, "unblock", devices) == ["success: Unblock: done for 2 devices."]
    assert not Device.objects.filter(blocked=True).exists()


def test_skip_first_failed_says_where_there_was_nothing_to_skip(anna: Operator) -> None:
    stuck, fine, gone = people.failed("SN-1"), people.device("SN-2", CONFIG), people.device("SN-3")
    Device.objects.filter(id=gone.id).delete()
    done, refused, missing = run(anna, "skip_first_failed", [stuck, fine, gone])
    assert done == "success: Skip first failed command: done for 1 device."
    assert refused.startswith("error: Skip first failed command: 1 device refused. ")
    assert f"{fine.id}: No command of the device's run is FAILED: there is nothing to skip." in refused
    assert missing == "warning: Skip first failed command: 1 device no longer there."
    assert people.status(stuck) == "PROVISIONING"
    assert people.command(stuck, "config").status == "SKIPPED"


def test_a_failure_of_a_closed_run_is_not_skipped(anna: Operator) -> None:
    device = people.device("SN-1", CONFIG, FINISHED)
    Board(str(device.id)).do_all()
    Command.objects.filter(type="config").update(status="FAILED")
    (refused,) = run(anna, "skip_first_failed", [device])
    assert "nothing to skip" in refused
    assert people.command(device, "config").status == "FAILED"


def test_refusals_of_one_sort_are_one_message(anna: Operator) -> None:
    easy = people.device("SN-1", CONFIG, FINISHED)
    Board(str(easy.id)).do_all()
    hard = [people.provisioned(f"SN-{n}") for n in range(2, 5)]
    done, refused = run(anna, "reset_run", [easy, *hard])
    assert done == "success: Reset run: done for 1 device."
    assert refused.startswith(
        "error: Reset run: 3 devices refused. The secrets must be sent again. The first is "
    )
    assert [people.status(device) for device in (easy, *hard)] == ["READY"] + ["PROVISIONED"] * 3


def test_deleting_unclaims_each_through_the_service(anna: Operator) -> None:
    devices = [people.failed("SN-1"), people.device("SN-2")]
    people.device("SN-3")
    assert run(anna, "delete_selected", devices) == ["success: Delete: done for 2 devices."]
    assert list(Device.objects.values_list("serial_number", flat=True)) == ["SN-3"]
    assert people.outbox(devices[0]) == ["credentials", "kick"]
    logged = LogEntry.objects.filter(user=anna.user, action_flag=DELETION)
    assert sorted(logged.values_list("object_repr", flat=True)) == ["SN-1", "SN-2"]


def test_the_way_back_keeps_the_filters(anna: Operator) -> None:
    device = people.device("SN-1", tags=["north"])
    page = ask(anna, "block", [device], "?tag=north")
    assert 'name="filters" value="tag=north"' in page
    assert f'href="{DEVICES}?tag=north"' in page
    answer = anna.post(*_answer("block", [str(device.id)], "tag=north"))
    assert answer.headers["Location"] == f"{DEVICES}?tag=north"


@pytest.mark.parametrize("devices", ["", "nonsense", ",", "https://example.com"])
def test_an_answer_that_names_no_devices_is_refused(anna: Operator, devices: str) -> None:
    answer = anna.post(f"{DEVICES}bulk/block/", {"devices": devices})
    (message,) = people.said(answer)
    assert "Select them in the list again." in message


def test_more_than_a_thousand_are_refused(anna: Operator) -> None:
    device = people.device()
    answer = anna.post(*_answer("block", [str(device.id)] * (bulk.MOST + 1)))
    (message,) = people.said(answer)
    assert f"Must be 1 to {bulk.MOST} ids." in message
    assert people.status(device) == "READY"


def test_a_link_does_nothing(anna: Operator) -> None:
    device = people.device()
    anna.see(f"{DEVICES}bulk/block/?devices={device.id}", status=405)
    anna.see(f"{DEVICES}bulk/melt/", status=404)
    assert people.status(device) == "READY"
