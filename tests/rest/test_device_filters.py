"""A list of devices shows those that were asked for."""

from datetime import datetime
from urllib.parse import quote

import pytest

from devices.models import Device
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Board, Cast, unknown


def found(cast: Cast, query: str) -> list[str]:
    """The names of the devices that the query finds, sorted."""
    answer = cast.viewer.get(f"{DEVICES}?{query}")
    assert answer.status == 200, answer.body
    return sorted(device["name"] for device in answer.body["items"])


@pytest.fixture
def fleet(cast: Cast) -> dict[str, str]:
    """One device in each condition; ids by name."""
    ids = {}
    for name in ("ready", "provisioned", "error", "awaiting", "blocked", "provisioning"):
        ids[name] = cast.editor.device(name=name, serialNumber=f"SN-{name}", tags=[name[0], "all"])
    cast.editor.commands(ids["provisioned"], FINISHED)
    cast.editor.commands(ids["error"], CONFIG)
    cast.editor.commands(ids["awaiting"], CONFIG)
    cast.editor.commands(ids["provisioning"], CONFIG)
    Board(ids["provisioned"]).do_all()
    Board(ids["error"]).fail()
    Board(ids["awaiting"]).do_all()
    Board(ids["provisioning"]).pull()
    cast.editor.post(f"{DEVICES}/{ids['blocked']}/block")
    return ids


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=PROVISIONED", ["provisioned"]),
        ("status=READY", ["ready"]),
        ("status=AWAITING", ["awaiting"]),
        ("status=PROVISIONING", ["provisioning"]),
        ("status=ERROR,BLOCKED", ["blocked", "error"]),
        ("status=ERROR&status=BLOCKED,READY", ["blocked", "error", "ready"]),
        ("status=ERROR&status=ERROR", ["error"]),
        ("tag=p", ["provisioned", "provisioning"]),
        ("tag=p&tag=all", ["provisioned", "provisioning"]),
        ("tag=p,all", ["provisioned", "provisioning"]),
        ("tag=p&tag=r", []),
        ("tag=P", []),
        ("tag=p&status=PROVISIONED", ["provisioned"]),
        ("serialNumber=SN-error", ["error"]),
        ("serialNumber=SN-", []),
        ("search=prov", ["provisioned", "provisioning"]),
        ("search=SN-prov", ["provisioned", "provisioning"]),
        ("search=PROV", []),
        ("search=sn-prov", []),
        ("search=rovisioned", []),
        ("search=%25", []),
        ("search=_", []),
        ("search=%5C", []),
        ("group=none", []),
        ("provisioningState=associated", []),
        ("lastSeenAfter=2001-01-01T00:00:00Z", ["awaiting", "error", "provisioned", "provisioning"]),
        ("lastSeenBefore=2001-01-01T00:00:00.000Z", []),
        ("lastSeenBefore=2999-01-01", ["awaiting", "error", "provisioned", "provisioning"]),
        ("lastSeenAfter=2001-01-01T00:00:00Z&lastSeenBefore=2001-01-02T00:00:00Z", []),
    ],
)
def test_a_filter_finds_what_it_names(
    cast: Cast, fleet: dict[str, str], query: str, names: list[str]
) -> None:
    assert found(cast, query) == names


def test_search_finds_a_whole_id(cast: Cast, fleet: dict[str, str]) -> None:
    assert found(cast, f"search={fleet['error']}") == ["error"]
    assert found(cast, f"search={fleet['error'].upper()}") == ["error"]
    assert found(cast, f"search={fleet['error'][:8]}") == []
    assert found(cast, f"search={unknown()}") == []


def test_states_of_provisioning_and_templates_are_filters(cast: Cast) -> None:
    cast.editor.device(name="defined")
    activated = cast.editor.device(name="activated")
    cast.editor.post(f"{DEVICES}/{activated}/credentials", {"kind": "password"})
    assert found(cast, "provisioningState=activated") == ["activated"]
    assert found(cast, "provisioningState=defined,activated") == ["activated", "defined"]
    assert found(cast, f"templateId={unknown()}") == []


def test_seen_before_and_after_part_at_the_time_itself(cast: Cast) -> None:
    cast.editor.device(name="seen")
    at = datetime.fromisoformat("2026-05-17T12:00:00.250+00:00")
    Device.objects.update(last_seen_at=at)
    same = quote("2026-05-17T14:00:00.250+02:00")
    assert found(cast, f"lastSeenAfter={same}") == found(cast, f"lastSeenBefore={same}") == []
    assert found(cast, "lastSeenAfter=2026-05-17T12:00:00.249Z") == ["seen"]
    assert found(cast, "lastSeenBefore=2026-05-17T12:00:00.251Z") == ["seen"]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("status=FINE", "status", "'FINE' is none of READY"),
        ("status=READY,fine", "status", "'fine'"),
        ("status=", "status", "''"),
        ("status=ready", "status", "'ready'"),
        ("provisioningState=lost", "provisioningState", "defined, activated, associated"),
        ("tag=", "tag", "empty"),
        ("tag=" + "x" * 101, "tag", "at most 100"),
        ("tag=%00", "tag", "control"),
        ("tag=" + ",".join(map(str, range(51))), "tag", "at most 50"),
        ("search=", "search", "empty"),
        ("search=%00", "search", "control"),
        ("search=" + "x" * 101, "search", "at most 100"),
        ("serialNumber=%07", "serialNumber", "control"),
        ("group=%0A", "group", "empty"),
        ("templateId=7", "templateId", "UUID"),
        ("lastSeenBefore=yesterday", "lastSeenBefore", "2026-05-17T12:00:00.000Z"),
        ("lastSeenBefore=2026-02-30T00:00:00Z", "lastSeenBefore", "Must be a time"),
        ("lastSeenAfter=2026-05-17T12:00:00+02:00", "lastSeenAfter", "Must be a time"),
        ("lastSeenAfter=9999-12-31T23:59:59-12:00", "lastSeenAfter", "Must be a time"),
        ("search=a&search=b", "search", "once"),
        ("pageLimit=1&pageLimit=2", "pageLimit", "once"),
        ("pageLimit=0", "pageLimit", "1 to 100"),
        ("pageLimit=101", "pageLimit", "1 to 100"),
        ("pageLimit=ten", "pageLimit", "1 to 100"),
        ("pageLimit=" + "9" * 2000, "pageLimit", "1 to 100"),
        ("limit=10", "limit", "no such field"),
        ("format=json", "format", "no such field"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(cast: Cast, query: str, field: str, words: str) -> None:
    answer = cast.viewer.get(f"{DEVICES}?{query}")
    assert (answer.status, answer.body["code"]) == (400, "INVALID")
    assert answer.fields == [field] or answer.fields[0].startswith(field)
    assert words in answer.message


def test_addresses_without_filters_refuse_them(cast: Cast, device: str) -> None:
    for path in (f"{DEVICES}/{device}", "/v1/tenant", f"{DEVICES}/{device}/explain"):
        assert cast.viewer.get(f"{path}?expand=all").fields == ["expand"]
    assert cast.editor.call("POST", f"{DEVICES}/{device}/block?dryrun=true", {}).status == 400
