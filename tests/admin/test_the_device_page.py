"""A device's page says where it stands and why, and lets operators write what is theirs to write."""

import re

import pytest

from commands import services as commands
from commands.admin.explained import told
from commands.models import Command
from devices.models import Device, Tag, TimelineEntry
from tests.admin import people
from tests.admin.people import CONFIG, DEVICES, FINISHED, GENERATE, PSK, WORK, Operator
from tests.rest.cast import Board

FORM = {"name": "", "serial_number": "SN-17", "vendor_id": "", "class_id": "", "group": "", "tag_lines": ""}


def save(anna: Operator, device: Device, **changed: str) -> str:
    """The form sent with these changes; the page that comes back, or the message."""
    answer = anna.post(people.page(device), {**FORM, **changed})
    return answer.content.decode() if answer.status_code == 200 else people.said(answer)[0]


def test_the_commands_of_the_run_stand_in_order_with_state_attempt_deliveries_times_and_error(
    anna: Operator,
) -> None:
    device = people.failed(message="sector <3> is protected")
    shown = people.text(anna.see(people.page(device)))
    run = shown[shown.index("Commands of the current run") : shown.index("Timeline")]
    words = ["1 clientPrivateKeyGeneration", "SUCCEEDED", "2 preSharedKey", "SUCCEEDED", "3 config", "FAILED"]
    words += ["DEVICE_ERROR -17: sector <3> is protected", "4 finished", "PENDING"]
    at = -1
    for word in words:
        at = run.index(word, at + 1)
    config = run[run.index("3 config") : run.index("DEVICE_ERROR")]
    assert re.search(r"FAILED 0 1 (\d\d:\d\d:\d\d \d{4}-\d\d-\d\d ){3}Reset Skip $", config), config


def test_it_says_why_and_what_to_press(anna: Operator) -> None:
    shown = people.text(anna.see(people.page(people.failed())))
    assert "Command 3 (config) failed" in shown
    assert "To have it done again, press “Reset”; to go on without it, press “Skip”." in shown
    assert "POST" not in shown


@pytest.mark.parametrize(
    ("rest", "here"),
    [
        ("POST …/4b9c5fcf-d8d9-482c-89f9-703ea6103afa/reset; done", "press “Reset”; done"),
        ("skip it with POST …/provisioning/4b9c5fcf-d8d9-482c-89f9-703ea6103afa/skip", "skip it with “Skip”"),
        ("go on by POST …/skip", "go on by “Skip”"),
        ("unblock it with POST …/unblock;", "unblock it with “Unblock”;"),
        ("make one with POST …/credentials and", "make one with “New password” and"),
        ("Add commands with POST …/provisioning, the", "Add commands with POST …/provisioning, the"),
    ],
)
def test_rest_calls_are_told_as_buttons_where_there_is_one(rest: str, here: str) -> None:
    assert told(rest) == here


def test_a_secret_is_a_mask_here(anna: Operator) -> None:
    device = people.device("SN-17", *WORK)
    sealed = people.command(device, "preSharedKey").secrets
    assert sealed
    page = anna.see(people.page(device))
    assert "***" in page
    for secret in (PSK, sealed, sealed[:20]):
        assert secret not in page


def test_the_last_run_is_shown_where_the_current_one_is_empty(anna: Operator) -> None:
    shown = people.text(anna.see(people.page(people.provisioned())))
    assert "No commands in the current run." in shown
    earlier = shown[shown.index("Earlier runs") :]
    assert earlier.index("4 finished") < earlier.index("1 clientPrivateKeyGeneration")


def test_earlier_runs_stand_behind_a_link(anna: Operator) -> None:
    device = people.provisioned()
    commands.add(device.tenant_id, device.id, [commands.New(CONFIG)], "key:test")
    page = anna.see(people.page(device))
    assert "4 finished" not in page
    assert "Show earlier runs" in page
    shown = people.text(anna.see(f"{people.page(device)}?runs=all"))
    assert shown.index("5 config") < shown.index("Earlier runs") < shown.index("4 finished")


def test_commands_of_a_closed_run_have_buttons_only_while_a_reset_can_reopen_it(anna: Operator) -> None:
    device = people.provisioned()
    config = people.command(device, "config")
    assert people.repair(device, config.id, "reset") in anna.see(people.page(device))
    assert people.repair(device, config.id, "skip") not in anna.see(people.page(device))
    commands.add(device.tenant_id, device.id, [commands.New(FINISHED)], "key:test")
    assert people.repair(device, config.id, "reset") not in anna.see(f"{people.page(device)}?runs=all")


def test_two_hundred_commands_of_earlier_runs_are_the_most(anna: Operator) -> None:
    device = people.device()
    for _ in range(12):
        commands.add(device.tenant_id, device.id, [commands.New(CONFIG)] * 18, "key:test")
        commands.add(device.tenant_id, device.id, [commands.New(FINISHED)], "key:test")
        Board(str(device.id)).do_all()
        Device.objects.update(next_get_at=None)
        Board(str(device.id)).do_all()
        Device.objects.update(next_get_at=None)
    assert Command.objects.filter(position__lte=Device.objects.get().closed_through).count() == 228
    page = anna.see(f"{people.page(device)}?runs=all")
    assert page.count('<tbody id="command-') == 200
    assert "228 finished" in page
    assert "29 config" in page
    assert ">28 config" not in page


def test_a_long_request_is_cut(anna: Operator) -> None:
    device = people.device("SN-17", {"config": {str(n): "x" * 1000 for n in range(20)}})
    page = anna.see(people.page(device))
    assert page.count("x" * 1000) < 5
    assert "more characters" in page


def test_the_timeline_is_newest_first_and_says_who(anna: Operator) -> None:
    device = people.failed()
    commands.block(device.tenant_id, device.id, "member:otto")
    Board(str(device.id)).say("get", {})
    shown = people.text(anna.see(people.page(device)))
    told_there = shown[shown.index("Timeline") :]
    order = [
        "REFUSED BLOCKED: ",
        "CHANGED blocked by member:otto",
        "ANSWERED 3 results: 3 stored; the device is ERROR – sector is protected",
        "SERVED 4 commands served, 0 more waiting",
        "CHANGED added 4 commands by key:test",
        "CHANGED defined by key:test",
    ]
    places = [told_there.lower().index(line.lower()) for line in order]
    assert places == sorted(places)


def test_equal_refusals_are_one_line_with_a_count(anna: Operator) -> None:
    device = people.device()
    commands.block(device.tenant_id, device.id, "key:test")
    for _ in range(3):
        Board(str(device.id)).say("get", {})
    assert "× 3" in people.text(anna.see(people.page(device)))


def test_a_hundred_entries_of_the_timeline_are_the_most(anna: Operator) -> None:
    device = people.device()
    at = device.claimed_at
    TimelineEntry.objects.bulk_create(
        TimelineEntry(device=device, at=at, kind="changed", data={"what": f"thing {n}", "by": "x"})
        for n in range(1, 121)
    )
    shown = people.text(anna.see(people.page(device)))
    assert "newest first, the last 100" in shown
    assert "thing 120 by x" in shown
    assert "thing 21 by x" in shown
    assert "thing 20 by x" not in shown


@pytest.mark.parametrize("data", [{}, {"odd": [1, 2]}, {"what": "bent", "by": "x", "more": {"a": 1}}])
def test_an_entry_of_any_shape_is_shown(anna: Operator, data: dict[str, object]) -> None:
    device = people.device()
    for kind in ("served", "answered", "changed", "refused", "unheard-of"):
        TimelineEntry.objects.create(device=device, at=device.claimed_at, kind=kind, data=data)
    anna.see(people.page(device))


# ---- what may be written


def test_a_device_is_defined_through_the_service(anna: Operator) -> None:
    owner = people.tenant()
    answer = anna.post(
        f"{DEVICES}add/",
        {**FORM, "tenant": owner.id, "name": "pump", "tag_lines": "north\r\n\r\nb, a\nnorth"},
    )
    made = Device.objects.get()
    assert answer.headers["Location"] == people.page(made)
    assert (made.name, made.serial_number, made.tenant_id) == ("pump", "SN-17", owner.id)
    assert sorted(Tag.objects.values_list("tag", flat=True)) == ["a", "b", "north"]
    assert people.history(made) == [("defined", anna.by)]


def test_a_change_writes_only_what_was_changed(anna: Operator) -> None:
    device = people.device("SN-17", tags=["north"])
    Device.objects.filter(id=device.id).update(vendor_id="changed meanwhile")
    before = TimelineEntry.objects.count()
    anna.see(people.page(device))
    save(anna, device, name="boiler", tag_lines="north", vendor_id="changed meanwhile")
    after = Device.objects.get()
    assert (after.name, after.vendor_id) == ("boiler", "changed meanwhile")
    entry = TimelineEntry.objects.order_by("id").last()
    assert entry is not None
    assert entry.data == {"what": "changed", "fields": ["name"], "by": anna.by}
    save(anna, device, name="boiler", tag_lines="north", vendor_id="changed meanwhile")
    assert TimelineEntry.objects.count() == before + 1


def test_tags_are_replaced(anna: Operator) -> None:
    device = people.device("SN-17", tags=["north", "pumps"])
    assert "north\npumps" in anna.see(people.page(device))
    save(anna, device, tag_lines="south")
    assert list(Tag.objects.values_list("tag", flat=True)) == ["south"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("serial_number", "SN-18", "has this serial number"),
        ("name", "x" * 101, "at most 100 characters"),
        ("tag_lines", "x" * 101, "at most 100 characters"),
        ("tag_lines", ",".join(map(str, range(51))), "51 tags are too many"),
        ("tag_lines", "a\x07b", "without control characters"),
        ("group", "a\x07b", "without control characters"),
        ("name", "a\x00b", "Null characters are not allowed"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    anna: Operator, field: str, value: str, reason: str
) -> None:
    people.device("SN-18")
    device = people.device("SN-17")
    assert reason in save(anna, device, **{"vendor_id": "new", field: value})
    assert Device.objects.get(id=device.id).vendor_id == ""


def test_the_serial_number_of_another_tenants_device_is_free(anna: Operator) -> None:
    people.device("SN-18", of="there")
    device = people.device("SN-17")
    save(anna, device, serial_number="SN-18")
    assert Device.objects.get(id=device.id).serial_number == "SN-18"


def test_a_taken_serial_number_is_told_for_a_new_device_too(anna: Operator) -> None:
    device = people.device("SN-17")
    answer = anna.post(f"{DEVICES}add/", {**FORM, "tenant": device.tenant_id})
    assert f"Device {device.id} has this serial number" in answer.content.decode()
    assert Device.objects.count() == 1


def test_what_the_machine_keeps_cannot_be_written(anna: Operator) -> None:
    device = people.device("SN-17", GENERATE)
    there = people.tenant("there")
    kept = {"status": "PROVISIONED", "blocked": "on", "pending": "7", "closed_through": "7", "imei": "1"}
    kept |= {"provisioning_state": "activated", "tenant": str(there.id), "last_seen_at_0": "2026-01-01"}
    save(anna, device, name="pump", **kept)
    after = Device.objects.get()
    assert after.name == "pump"
    assert (after.status, after.blocked, after.pending, after.closed_through) == ("READY", False, 1, 0)
    assert (after.imei, after.provisioning_state, after.tenant_id) == ("", "defined", device.tenant_id)
    assert after.last_seen_at is None


def test_deleting_unclaims_through_the_service(anna: Operator) -> None:
    device = people.failed()
    question = people.text(anna.see(f"{DEVICES}{device.id}/delete/"))
    assert f"{device} ({device.id}) with its commands, credentials and timeline" in question
    assert "preSharedKey" not in question
    anna.post(f"{DEVICES}{device.id}/delete/", {"post": "yes"})
    assert not Device.objects.exists()
    assert people.outbox(device) == ["credentials", "kick"]


def test_a_device_that_is_gone_is_said_to_be_gone(anna: Operator) -> None:
    device = people.device()
    Device.objects.all().delete()
    for path in (people.do(device, "block"), people.repair(device, device.id, "skip")):
        anna.see(path, status=404)
    assert anna.client.get(people.page(device)).status_code == 302


def test_an_unknown_repair_is_no_page(anna: Operator) -> None:
    device = people.device("SN-17", GENERATE)
    anna.see(people.do(device, "melt"), status=404)
    anna.see(
        people.repair(device, people.command(device, "clientPrivateKeyGeneration").id, "melt"), status=404
    )
