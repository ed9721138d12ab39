"""Operators find devices by filters and by the beginning of what is printed on them, of any tenant."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from commands import services as commands
from devices.models import Device
from tests.admin import people
from tests.admin.people import DEVICES, Operator


def found(anna: Operator, **query: str) -> list[str]:
    """The serial numbers in the list, in its order."""
    page = anna.see(f"{DEVICES}?{urlencode(query)}")
    cells = re.findall(r'(?s)class="field-serial_number[^>]*>(.*?)</td>', page)
    return [people.text(cell) for cell in cells]


def test_the_newest_device_comes_first_with_status_tenant_tags_and_times(anna: Operator) -> None:
    people.device("SN-1", tags=["north"])
    people.provisioned("SN-2", of="there", name="pump 2")
    page = people.text(anna.see(DEVICES))
    assert found(anna) == ["SN-2", "SN-1"]
    row = page[page.index("pump 2") : page.index("SN-1")]
    assert "SN-2 there PROVISIONED 0" in row
    assert "just now" in row
    assert "SN-1 here READY 0 – north" in page


def test_by_status(anna: Operator) -> None:
    people.device("SN-1")
    people.failed("SN-2")
    assert found(anna, status__exact="ERROR") == ["SN-2"]
    assert found(anna, status__exact="READY") == ["SN-1"]
    assert found(anna, status__exact="AWAITING") == []


def test_the_statuses_above_the_list_keep_the_other_filters(anna: Operator) -> None:
    page = anna.see(f"{DEVICES}?tag=north&status__exact=READY&p=1")
    assert 'href="?tag=north&amp;status__exact=ERROR"' in page
    assert 'href="?tag=north"' in page


def test_by_blocked(anna: Operator) -> None:
    people.device("SN-1")
    blocked = people.device("SN-2")
    commands.block(blocked.tenant_id, blocked.id, "key:test")
    assert found(anna, blocked="yes") == ["SN-2"]
    assert found(anna, blocked="no") == ["SN-1"]


def test_by_one_whole_tag(anna: Operator) -> None:
    people.device("SN-1", tags=["north", "pumps"])
    people.device("SN-2", tags=["northern"], of="there")
    people.device("SN-3", tags=["north"], of="there")
    assert found(anna, tag="north") == ["SN-3", "SN-1"]
    assert found(anna, tag=" north ") == ["SN-3", "SN-1"]
    assert found(anna, tag="nort") == []


def test_the_filter_lists_no_tags(anna: Operator) -> None:
    people.device("SN-1", tags=["a tag that nobody asked for"])
    assert "a tag that nobody asked for" not in anna.see(f"{DEVICES}?status__exact=BLOCKED")


def test_by_tenant(anna: Operator) -> None:
    people.device("SN-1")
    there = people.device("SN-2", of="there")
    assert found(anna, tenant__id__exact=str(there.tenant_id)) == ["SN-2"]


def test_by_provisioning_state(anna: Operator) -> None:
    people.device("SN-1")
    Device.objects.filter(id=people.device("SN-2").id).update(provisioning_state="activated")
    assert found(anna, provisioning_state__exact="activated") == ["SN-2"]


@pytest.mark.parametrize(
    ("choice", "serials"),
    [
        ("hour", ["SN-1"]),
        ("day", ["SN-2", "SN-1"]),
        ("not-hour", ["SN-3", "SN-2"]),
        ("not-month", ["SN-3"]),
        ("never", ["SN-4"]),
        ("century", ["SN-4", "SN-3", "SN-2", "SN-1"]),
    ],
)
def test_by_last_seen(anna: Operator, choice: str, serials: list[str]) -> None:
    ages = {"SN-1": timedelta(minutes=5), "SN-2": timedelta(hours=5), "SN-3": timedelta(days=50)}
    for serial, age in ages.items():
        made = people.device(serial)
        Device.objects.filter(id=made.id).update(last_seen_at=timezone.now() - age)
    people.device("SN-4")
    assert found(anna, seen=choice) == serials


def _whole_id(device: Device) -> str:
    return str(device.id)


def _bare_id(device: Device) -> str:
    return device.id.hex.upper()


@pytest.mark.parametrize("term", [_whole_id, _bare_id])
def test_search_finds_a_whole_id(anna: Operator, term: Callable[[Device], str]) -> None:
    people.device("SN-1")
    wanted = people.device("SN-2")
    assert found(anna, q=term(wanted)) == ["SN-2"]


@pytest.mark.parametrize(
    ("term", "serials"),
    [
        ("SN-17", ["SN-17-B", "SN-17-A"]),
        ("sn-17", ["SN-17-B", "SN-17-A"]),
        (" SN-17-A ", ["SN-17-A"]),
        ("boiler", ["SN-17-B"]),
        ("BOILER", ["SN-17-B"]),
        ("N-17", []),
        ("%", []),
        ("SN_17", []),
        ("x" * 101, []),
        ("0b7a6c1e-52a0-4f0e-9a53-6f1f6f6c2b11", []),
    ],
)
def test_search_finds_the_beginning_of_serial_number_or_name(
    anna: Operator, term: str, serials: list[str]
) -> None:
    people.device("SN-17-A", name="pump")
    people.device("SN-17-B", name="boiler 4")
    assert found(anna, q=term) == serials


def test_a_nul_leads_to_the_list_without_it(anna: Operator) -> None:
    people.device("SN-1")
    for asked in ("q", "tag", "status__exact"):
        answer = anna.client.get(f"{DEVICES}?{urlencode({asked: 'a' + chr(0)})}")
        assert answer.headers["Location"] == f"{DEVICES}?e=1"


@pytest.mark.parametrize(
    "lookup", ["serial_number__regex=S", "credentials__digest__startswith=%24", "name__icontains=p"]
)
def test_a_lookup_that_no_filter_offers_is_refused(anna: Operator, lookup: str) -> None:
    people.device("SN-1")
    anna.see(f"{DEVICES}?{lookup}", status=400)


@pytest.mark.parametrize(
    "query",
    [
        "tenant__id__exact=x",
        "tenant__id__exact=%00",
        "p=x",
        "p=-1",
        "p=999",
        "status__exact=NO",
        "status__exact=%00",
        "q=%ff%00",
        "e=1",
        "provisioning_state__exact=x",
        "seen=x",
        "blocked=x",
        "o=1.-2",
        "_facets=1",
        "all=",
        "status__exact=READY&status__exact=ERROR",
        "tag=a&tag=b",
        "tag=%00",
        "runs=all",
        "_popup=1&_to_field=id",
    ],
)
def test_no_address_of_the_list_breaks_it(anna: Operator, query: str) -> None:
    people.device("SN-1", tags=["a"])
    assert anna.client.get(f"{DEVICES}?{query}").status_code in (200, 302, 400)


def test_no_order_but_its_own(anna: Operator) -> None:
    for serial in ("SN-2", "SN-1", "SN-3"):
        people.device(serial)
    assert found(anna, o="2") == found(anna, o="-2") == ["SN-3", "SN-1", "SN-2"]


def test_a_hash_cannot_be_felt_for(anna: Operator) -> None:
    anna.see("/admin/tenants/apikey/?digest__startswith=a", status=400)
    anna.see("/admin/tenants/apikey/?q=a")
