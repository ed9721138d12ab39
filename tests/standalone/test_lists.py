"""A list holds what was asked for, page by page, whatever changes in between (API.md, Conventions)."""

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.standalone.board import failed, ok
from tests.standalone.fleet import FINISHED, Device, config, define
from tests.standalone.rest import TIME, Owner

DEVICES = "/v1/claimed-devices"


@pytest.fixture(scope="module")
def fleet(service: Any, owner: Owner) -> dict[str, Device]:
    """A device in every status, all with one tag that nobody else has."""
    found: dict[str, Device] = {}
    for number, status in enumerate(["READY", "PROVISIONING", "AWAITING", "PROVISIONED", "ERROR", "BLOCKED"]):
        tags = ["fleet-of-lists", f"number-{number}", "even" if number % 2 == 0 else "odd"]
        serial = f"Serial-{status}-é"
        device = define(owner, service.mqtt, serialNumber=serial, name=f"Name {status}", tags=tags)
        found[status] = device
        if status in ("READY", "BLOCKED"):
            continue
        device.add(FINISHED if status == "PROVISIONED" else config())
        with device.board() as board:
            correlation = board.get()["commands"][0]["id"]
            if status != "PROVISIONING":
                board.results(failed(correlation) if status == "ERROR" else ok(correlation))
    owner.post(f"{found['BLOCKED'].path}/block").made()
    return found


def ids(owner: Owner, **query: Any) -> set[str]:
    return {device["id"] for device in owner.all(DEVICES, **({"tag": "fleet-of-lists"} | query))}


def test_each_status_finds_its_device(owner: Owner, fleet: dict[str, Device]) -> None:
    for status, device in fleet.items():
        assert ids(owner, status=status) == {device.id}
        assert device.status == status


def test_several_statuses_find_all_of_them(owner: Owner, fleet: dict[str, Device]) -> None:
    expected = {fleet["READY"].id, fleet["ERROR"].id}
    assert ids(owner, status=["READY", "ERROR"]) == expected
    assert ids(owner, status=list(fleet)) == {device.id for device in fleet.values()}


def test_a_tag_finds_exactly_its_devices(owner: Owner, fleet: dict[str, Device]) -> None:
    assert ids(owner) == {device.id for device in fleet.values()}
    assert ids(owner, tag="number-1") == {fleet["PROVISIONING"].id}
    for wrong in ("fleet-of-list", "FLEET-OF-LISTS", "%", "*", "_"):
        assert ids(owner, tag=wrong) == set(), wrong


def test_a_serial_number_finds_exactly_its_device(owner: Owner, fleet: dict[str, Device]) -> None:
    for status, device in fleet.items():
        assert ids(owner, serialNumber=f"Serial-{status}-é", tag=None) == {device.id}
    assert ids(owner, serialNumber="Serial-READY", tag=None) == set()


def test_search_finds_by_id_serial_number_and_name(owner: Owner, fleet: dict[str, Device]) -> None:
    device = fleet["AWAITING"]
    for text in (device.id, "Serial-AWAITING-é", "Name AWAITING"):
        assert device.id in ids(owner, search=text), text
        assert fleet["READY"].id not in ids(owner, search=text), text
    for wild in ("%", "_", "\\", "' OR 1=1 --", '"', "*"):
        assert ids(owner, search=wild) == set(), wild


def test_provisioning_state_finds_devices(owner: Owner, fleet: dict[str, Device]) -> None:
    states = {device.read()["provisioningState"] for device in fleet.values()}
    found = set()
    for state in states:
        found |= ids(owner, provisioningState=state)
    assert found == {device.id for device in fleet.values()}


def test_last_seen_finds_devices_by_time(owner: Owner, fleet: dict[str, Device]) -> None:
    seen = fleet["PROVISIONED"].read()["lastSeenAt"]
    assert fleet["PROVISIONED"].id not in ids(owner, lastSeenBefore=seen) & ids(owner, lastSeenAfter=seen)
    assert fleet["PROVISIONED"].id in ids(owner, lastSeenAfter="2020-01-01T00:00:00Z")
    assert fleet["PROVISIONED"].id not in ids(owner, lastSeenBefore="2020-01-01T00:00:00Z")
    assert fleet["PROVISIONED"].id in ids(owner, lastSeenBefore="2100-01-01T00:00:00Z")
    assert fleet["READY"].id not in ids(owner, lastSeenAfter="2020-01-01T00:00:00Z")


def test_group_and_template_find_devices(owner: Owner, fleet: dict[str, Device]) -> None:
    owner.patch(fleet["READY"].path, {"group": "north"}).made()
    assert ids(owner, group="north") == {fleet["READY"].id}
    assert ids(owner, group="south") == set()
    assert ids(owner, templateId=str(uuid.uuid4())) == set()


def test_filters_narrow_each_other(owner: Owner, fleet: dict[str, Device]) -> None:
    even = {fleet[name].id for name in ("READY", "AWAITING", "ERROR")}
    assert ids(owner, tag="even") == even
    assert ids(owner, tag="even", status=["ERROR", "BLOCKED"]) == {fleet["ERROR"].id}
    assert ids(owner, tag="odd", status="ERROR") == set()


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense",
        "status=",
        "status=READY,ERROR,x",
        "provisioningState=nonsense",
        "templateId=x",
        "lastSeenBefore=yesterday",
        "lastSeenAfter=2020-13-01T00:00:00Z",
        "lastSeenAfter=99999999999999",
        "pageLimit=0",
        "pageLimit=101",
        "pageLimit=-1",
        "pageLimit=x",
        "pageLimit=1.5",
        "pageNextToken=nonsense",
        "pageNextToken=%00",
        "pageNextToken=" + "A" * 5_000,
        "colour=blue",
        "Status=READY",
        "search=%00",
        "tag=%00",
        "serialNumber=%00",
        "group=a%00b",
    ],
)
def test_a_wrong_query_is_refused_by_name(owner: Owner, query: str) -> None:
    errors = owner.send("GET", f"{DEVICES}?{query}").refused(400)["errors"]
    assert query.split("=", maxsplit=1)[0] in errors


def test_a_huge_query_is_refused(owner: Owner) -> None:
    answer = owner.send("GET", f"{DEVICES}?search={'x' * 50_000}")
    assert answer.status in (400, 414, 431)


def test_pages_cover_the_whole_list_once(owner: Owner, fleet: dict[str, Device]) -> None:
    for size in (1, 2, 5, 6, 7, 100):
        found = [device["id"] for device in owner.all(DEVICES, tag="fleet-of-lists", pageLimit=size)]
        assert len(found) == len(set(found)) == 6
        page = owner.get(DEVICES, tag="fleet-of-lists", pageLimit=size).made()
        assert len(page["items"]) == min(size, 6)
        assert (page["pageNextToken"] is None) == (size >= 6)


def test_changes_between_pages_neither_repeat_nor_hide_a_device(
    owner: Owner, new_device: Callable[..., Device]
) -> None:
    tag = uuid.uuid4().hex
    devices = [new_device(tags=[tag]) for _ in range(6)]
    page = owner.get(DEVICES, tag=tag, pageLimit=2).made()
    seen = [device["id"] for device in page["items"]]
    rest = [device for device in devices if device.id not in seen]
    first = next(device for device in devices if device.id == seen[0])
    assert owner.delete(first.path).status == 204
    assert owner.delete(rest[0].path).status == 204
    owner.patch(rest[1].path, {"name": "changed"}).made()
    added = new_device(tags=[tag])
    while page["pageNextToken"]:
        page = owner.get(DEVICES, tag=tag, pageLimit=2, pageNextToken=page["pageNextToken"]).made()
        seen += [device["id"] for device in page["items"]]
    assert len(seen) == len(set(seen))
    assert {device.id for device in rest[1:]} <= set(seen)
    assert rest[0].id not in seen
    assert set(seen) - {added.id} <= {device.id for device in devices}


def test_a_token_does_not_open_another_list(owner: Owner, fleet: dict[str, Device], device: Device) -> None:
    token = owner.get(DEVICES, tag="fleet-of-lists", pageLimit=1).made()["pageNextToken"]
    device.add(config(), config())
    for path in (device.commands, f"{device.path}/timeline", f"{device.path}/credentials"):
        answer = owner.send("GET", f"{path}?pageNextToken={quote(token)}")
        assert answer.status in (200, 400), answer.content
        assert answer.status == 400 or all("tags" not in item for item in answer.body["items"])


def test_a_forged_token_is_refused_or_harmless(owner: Owner, fleet: dict[str, Device]) -> None:
    token = owner.get(DEVICES, tag="fleet-of-lists", pageLimit=1).made()["pageNextToken"]
    for forged in (token[:-1], token + "A", token[::-1], token.swapcase(), "0", "e30=", "W10=", "bnVsbA=="):
        answer = owner.get(DEVICES, tag="fleet-of-lists", pageNextToken=forged)
        assert answer.status in (200, 400), (forged, answer.content)


def test_commands_have_pages_too(device: Device) -> None:
    made = device.add(*[config(str(number)) for number in range(7)])
    assert [command["id"] for command in device.listed(pageLimit=3)] == made


def test_every_run_is_listed_newest_run_first(device: Device) -> None:
    runs = []
    for name in ("1", "2"):
        runs.append(device.add(config(name), FINISHED))
        with device.board() as board:
            board.results(*(ok(command["id"]) for command in board.get()["commands"]))
    current = device.add(config("3"))
    assert [command["id"] for command in device.listed()] == current
    listed = [command["id"] for command in device.listed(run="all")]
    assert listed[0] == current[0]
    assert {*listed[1:3]} == {*runs[1]}
    assert {*listed[3:]} == {*runs[0]}
    assert [command["id"] for command in device.listed(run="all", pageLimit=2)] == listed
    for wrong in ("x", "", "ALL", "1"):
        device.owner.get(device.commands, run=wrong).refused(400)


def test_times_have_milliseconds_and_z(device: Device) -> None:
    assert TIME.fullmatch(device.read()["claimedAt"])


def test_a_list_is_quick(owner: Owner, fleet: dict[str, Device]) -> None:
    begin = time.monotonic()
    owner.get(DEVICES, pageLimit=100).made()
    assert time.monotonic() - begin < 2
