"""Pages lose nothing and repeat nothing, and the last costs what the first costs."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import Device, Tag
from tenants.models import Tenant
from tenants.roles import Role
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Board, Cast, Person, person

START = datetime(2026, 1, 1, tzinfo=UTC)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 3), max_size=12),
    limit=st.integers(1, 5),
    meanwhile=st.lists(st.sampled_from(["add", "delete", "nothing"]), max_size=8),
)
def test_what_was_there_comes_once_whatever_is_added_meanwhile(
    cast: Cast, times: list[int], limit: int, meanwhile: list[str]
) -> None:
    owner = person(Tenant.objects.create(name=f"walk {Tenant.objects.count()}"), Role.OWNER)
    # Few different times, so that ids must part devices of the same moment.
    ids = [device(owner, START + timedelta(seconds=at)) for at in times]
    seen: list[str] = []
    gone: set[str] = set()
    steps = iter(meanwhile)
    for items in owner.pages(f"{DEVICES}?pageLimit={limit}"):
        assert len(items) <= limit
        seen += [item["id"] for item in items]
        match next(steps, "nothing"):
            case "add":
                device(owner, START + timedelta(seconds=9))
            case "delete" if left := sorted(set(ids) - set(seen) - gone):
                gone.add(left[0])
                Device.objects.filter(id=left[0]).delete()
    assert sorted(seen) == sorted(set(ids) - gone)


def device(owner: Person, at: datetime) -> str:
    made = Device.objects.create(tenant=owner.tenant)
    Device.objects.filter(id=made.id).update(claimed_at=at)
    return str(made.id)


def test_newest_devices_come_first(cast: Cast) -> None:
    ids = [cast.editor.device(name=str(n)) for n in range(5)]
    walked = [d["id"] for items in cast.viewer.pages(f"{DEVICES}?pageLimit=2") for d in items]
    assert walked == ids[::-1]


def test_every_list_has_pages(cast: Cast, device: str, board: Board) -> None:
    for _ in range(3):
        cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password", "overlap": 60})
    ids = cast.editor.commands(device, CONFIG, CONFIG, FINISHED)
    board.do_all()
    ids += cast.editor.commands(device, CONFIG, CONFIG)
    for path in (
        DEVICES,
        "/v1/api-keys",
        f"{DEVICES}/{device}/credentials",
        f"{DEVICES}/{device}/timeline",
        f"{DEVICES}/{device}/provisioning",
        f"{DEVICES}/{device}/provisioning?run=all",
    ):
        whole = cast.owner.get(path).body
        assert whole["pageNextToken"] is None
        joint = "&" if "?" in path else "?"
        walked = list(cast.owner.pages(f"{path}{joint}pageLimit=1"))
        assert [item for items in walked for item in items] == whole["items"]
        assert len(walked) == len(whole["items"])
    commands = cast.owner.get(f"{DEVICES}/{device}/provisioning").body["items"]
    assert [c["id"] for c in commands] == ids[3:]
    commands = cast.owner.get(f"{DEVICES}/{device}/provisioning?run=all").body["items"]
    assert [c["id"] for c in commands] == ids[::-1]


def test_a_page_holds_fifty_unless_asked_and_a_hundred_at_most(cast: Cast) -> None:
    Device.objects.bulk_create([Device(tenant=cast.owner.tenant) for _ in range(120)])
    assert len(cast.viewer.get(DEVICES).body["items"]) == 50
    assert len(cast.viewer.get(f"{DEVICES}?pageLimit=100").body["items"]) == 100


def test_the_page_size_may_change_on_the_way(cast: Cast) -> None:
    for _ in range(4):
        cast.editor.device()
    token = cast.viewer.get(f"{DEVICES}?pageLimit=1").body["pageNextToken"]
    rest = cast.viewer.get(f"{DEVICES}?pageLimit=9&pageNextToken={token}").body
    assert (len(rest["items"]), rest["pageNextToken"]) == (3, None)


def test_a_token_opens_only_the_list_that_it_is_of(cast: Cast, device: str) -> None:
    cast.editor.device(tags=["north"])
    token = cast.viewer.get(f"{DEVICES}?pageLimit=1&tag=north").body["pageNextToken"]
    assert quote(token) == token
    assert cast.viewer.get(f"{DEVICES}?tag=north&pageNextToken={token}").status == 200
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for path in (
        f"{DEVICES}?pageNextToken={token}",
        f"{DEVICES}?tag=pumps&pageNextToken={token}",
        f"{DEVICES}?tag=north&status=READY&pageNextToken={token}",
        f"{DEVICES}/{device}/timeline?pageNextToken={token}",
        f"{DEVICES}?tag=north&pageNextToken={flipped}",
        f"{DEVICES}?tag=north&pageNextToken={token}x",
        f"{DEVICES}?tag=north&pageNextToken=x.y",
        f"{DEVICES}?tag=north&pageNextToken=%C3%B8",
        f"{DEVICES}?tag=north&pageNextToken=",
    ):
        answer = cast.viewer.get(path)
        assert (answer.status, answer.fields) == (400, ["pageNextToken"]), path


def test_a_page_costs_the_same_number_of_statements_whatever_it_holds(cast: Cast) -> None:
    def statements(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert cast.viewer.get(path).status == 200
        return len(queries)

    cast.viewer.get(DEVICES)
    for n in range(3):
        cast.editor.device(name=str(n), tags=["a", "b"])
    few = statements(DEVICES)
    more = Device.objects.bulk_create([Device(tenant=cast.owner.tenant) for _ in range(100)])
    Tag.objects.bulk_create([Tag(device=d, tenant_id=d.tenant_id, tag="x") for d in more])
    assert statements(f"{DEVICES}?pageLimit=100") == few == 3


@pytest.mark.parametrize("query", ["", "status=READY"])
def test_a_page_is_one_range_of_an_index(cast: Cast, query: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's plans say less")
    for owner in (cast.owner, cast.stranger):
        rows = Device.objects.bulk_create([Device(tenant=owner.tenant) for _ in range(1500)])
        for n, row in enumerate(rows):
            row.claimed_at = START + timedelta(seconds=n // 100)
        Device.objects.bulk_update(rows, ["claimed_at"], 500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device")
    pages = cast.owner.pages(f"{DEVICES}?pageLimit=100" + (f"&{query}" if query else ""))
    for _ in range(9):
        next(pages)
    with CaptureQueriesContext(connection) as queries:
        next(pages)
    (sql,) = [query["sql"] for query in queries if 'ORDER BY "devices_device"."claimed_at"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        ((plan,),) = cursor.fetchall()
    text = json.dumps(plan)
    assert "OFFSET" not in sql
    assert '"Sort"' not in text
    assert "Index Cond" in text
    assert "ROW(claimed_at, id) < ROW(" in text
