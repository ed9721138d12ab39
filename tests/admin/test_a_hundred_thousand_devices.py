"""The list of a large fleet reads by indexes, a fixed number of statements a page, counting nothing whole."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from devices.models import Device
from tests.admin import people
from tests.admin.people import DEVICES, Operator

COUNT = 100_000
SLOWEST = 3.0
"""Seconds that a page may take here; it takes a tenth of one where nothing else runs."""

FILL = """
SET LOCAL session_replication_role = replica;

INSERT INTO devices_device (id, tenant_id, name, serial_number, device_type, firmware_id, imei,
  ownership_status, provisioning_state, vendor_id, class_id, "group", claimed_at, blocked,
  status, pending, closed_through, rules_seen)
SELECT md5('d' || n)::uuid, CASE n %% 3 WHEN 0 THEN %(there)s ELSE %(here)s END::uuid, 'pump-' || n,
  'SN-' || lpad(n::text, 6, '0'), '', '', '', 'DEFINED', 'activated', '', '', '',
  now() - n * interval '1 second', n %% 1000 = 7,
  CASE WHEN n %% 1000 = 7 THEN 'BLOCKED' WHEN n %% 100 = 1 THEN 'ERROR' ELSE 'PROVISIONED' END, 0, 0, 0
FROM generate_series(1, %(count)s) AS n;

INSERT INTO devices_tag (device_id, tenant_id, tag)
SELECT id, tenant_id, tag FROM devices_device,
  LATERAL (VALUES ('all'),
    ('lot-' || substr(serial_number, 4, 3)), ('batch-' || substr(serial_number, 4, 4))) AS made (tag);

INSERT INTO commands_command (id, device_id, position, part, type, description, request, status, attempt,
  deliveries, created_at)
SELECT gen_random_uuid(), id, n, 0, 'config', '', '{"a": "b"}', 'PENDING', 0, 0, now()
FROM devices_device, generate_series(1, 5) AS n;

ANALYZE devices_device; ANALYZE devices_tag; ANALYZE commands_command;
ANALYZE tenants_tenant;

SET LOCAL session_replication_role = origin;
"""


@pytest.fixture(scope="module")
def fleet(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Filled once for this file and rolled back; what a test adds goes with its own savepoint."""
    with django_db_blocker.unblock(), transaction.atomic():
        here, there = people.tenant("here").id, people.tenant("there").id
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"here": here, "there": there, "count": COUNT})
        yield
        transaction.set_rollback(True)


class Seen:
    """One page with the statements that it took."""

    def __init__(self, anna: Operator, path: str) -> None:
        began = time.monotonic()
        with CaptureQueriesContext(connection) as queries:
            self.page = anna.see(path)
        self.seconds = time.monotonic() - began
        self.statements = [str(query["sql"]) for query in queries]

    @property
    def rows(self) -> int:
        return self.page.count('class="field-serial_number')

    def about(self, table: str) -> list[str]:
        return [sql for sql in self.statements if f'FROM "{table}"' in sql]


def nodes(sql: str) -> Iterator[dict[str, Any]]:
    """Every node of the statement's plan, as it ran."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        found = cursor.fetchone()[0]
    plan = json.loads(found) if isinstance(found, str) else found
    open = [plan[0]["Plan"]]
    while open:
        node = open.pop()
        open += node.get("Plans", [])
        yield node


QUERIES = {
    "nothing": {},
    "last page": {"p": "20"},
    "status": {"status__exact": "ERROR"},
    "rare status": {"status__exact": "AWAITING"},
    "blocked": {"blocked": "yes"},
    "not blocked": {"blocked": "no"},
    "common tag": {"tag": "all"},
    "rarer tag": {"tag": "batch-0170"},
    "no such tag": {"tag": "nobody"},
    "id": {"q": "00000000-0000-4000-8000-000000000000"},
    "whole serial number": {"q": "SN-012345"},
    "beginning of serial numbers": {"q": "SN-0123"},
    "beginning of names": {"q": "pump-123"},
    "nothing so called": {"q": "boiler"},
    "beginning of everything": {"q": "SN-"},
    "status and tag": {"status__exact": "ERROR", "tag": "batch-0160"},
    "status and search": {"status__exact": "ERROR", "q": "SN-01"},
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
def test_a_list_page_reads_by_indexes(fleet: None, anna: Operator, query: dict[str, str]) -> None:
    seen = Seen(anna, f"{DEVICES}?{urlencode(query)}")
    about = seen.about("devices_device") + [s for s in seen.statements if s.startswith("SELECT COUNT")]
    assert len(about) >= 2
    for sql in about:
        for node in nodes(sql):
            scans = node["Node Type"] == "Seq Scan" and node["Relation Name"] != "tenants_tenant"
            assert not scans, (sql, node)
    assert seen.seconds < SLOWEST


@pytest.mark.parametrize("name", ["nothing", "status", "common tag", "rarer tag", "whole serial number"])
def test_a_list_page_takes_the_same_number_of_statements(fleet: None, anna: Operator, name: str) -> None:
    seen = Seen(anna, f"{DEVICES}?{urlencode(QUERIES[name])}")
    # session, operator, count, page, tags of the page
    assert len(seen.statements) == 5, seen.statements
    assert seen.rows <= 50


def test_nothing_is_counted_whole(fleet: None, anna: Operator) -> None:
    seen = Seen(anna, DEVICES)
    counts = [sql for sql in seen.statements if "COUNT(" in sql]
    assert len(counts) == 1
    assert re.search(r"LIMIT 1001\b", counts[0])
    assert "The first 1000 of more devices: search or filter to see the others." in people.text(seen.page)
    assert str(COUNT) not in people.text(seen.page)


def test_pages_end_where_the_count_ends(fleet: None, anna: Operator) -> None:
    assert Seen(anna, f"{DEVICES}?p=20").rows == 50
    answer = anna.client.get(f"{DEVICES}?p=21")
    assert answer.status_code == 302
    assert answer["Location"] == f"{DEVICES}?e=1"


def test_a_filtered_list_says_how_many_there_are(fleet: None, anna: Operator) -> None:
    assert "100 devices" in people.text(Seen(anna, f"{DEVICES}?blocked=yes").page)


def test_filters_without_an_index_stay_quick(fleet: None, anna: Operator) -> None:
    # A tag of one device in a hundred is read either way, as PostgreSQL sees fit.
    slow = (
        {"seen": "hour"},
        {"seen": "never"},
        {"provisioning_state__exact": "associated"},
        {"tag": "lot-017"},
    )
    for query in slow:
        assert Seen(anna, f"{DEVICES}?{urlencode(query)}").seconds < SLOWEST


def test_the_first_page_counts_each_status_only_so_far(fleet: None, anna: Operator) -> None:
    seen = Seen(anna, "/admin/")
    shown = people.text(seen.page)
    assert "BLOCKED 100" in shown
    assert "ERROR 1000 " in shown
    assert "PROVISIONED 1000+" in shown
    assert all("LIMIT 1001" in sql for sql in seen.statements if "COUNT(" in sql)
    assert seen.seconds < SLOWEST


def test_a_device_page_reads_only_its_device(fleet: None, anna: Operator) -> None:
    device = Device.objects.get(serial_number="SN-012345")
    seen = Seen(anna, people.page(device))
    assert seen.page.count("5 config") == 1
    for sql in seen.statements:
        if "devices_" in sql or "commands_" in sql:
            assert not [node for node in nodes(sql) if node["Node Type"] == "Seq Scan"], sql
    assert len(seen.statements) <= 15, "\n".join(seen.statements)
    assert seen.seconds < SLOWEST


def test_the_question_of_a_list_action_reads_no_more_than_it_may_act_on(fleet: None, anna: Operator) -> None:
    chosen = {"action": "block", "select_across": "1", "index": "0", "_selected_action": "x"}
    with CaptureQueriesContext(connection) as queries:
        answer = anna.post(DEVICES, chosen)
    asked = people.text(answer.render().content.decode())  # type: ignore[attr-defined]
    assert "Block: 1000 devices?" in asked
    assert "These are the first 1000 of more: do it again for the others." in asked
    assert "… and 990 more" in asked
    selects = [str(query["sql"]) for query in queries if 'FROM "devices_device"' in str(query["sql"])]
    assert all("LIMIT" in sql for sql in selects), selects
