"""The audit log: every change has its author, and a tenant reads its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import sign_in
from devices.models import Device, IdentityKey
from devices.status import Ownership
from tenants import acting, audit
from tenants.models import AuditEntry, Tenant
from tests.pki import make
from tests.rest import modems
from tests.rest.cast import CONFIG, DEVICES, PSK, Answer, Board, Cast, Person, unknown
from tests.rest.routes import ALONE, BODIES, CALLS, Route
from tests.rest.test_two_tenants_cannot_see_each_other import objects

LOG = "/v1/audit-log"
CHANGING = [(route, method) for route, method in CALLS if method != "GET" and route.name != "preview"]
"""All but what only looks."""


def entries(**narrowed: Any) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(**narrowed).order_by("id"))


def told(person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = person.get(LOG + query)
    assert answer.status == 200, answer.body
    return list(answer.body["items"])


# ---- nothing that changes something is forgotten


def _body(route: Route, method: str, device: str) -> Any:
    """A body that changes something where that of `routes` changes nothing."""
    match route.name:
        case "bulk-claims":
            return modems.rows(modems.known())
        case "onboarding":
            return f'{device},,,,"{make.issue("x").pem}"\n'
        case "tenant":
            return {"jwtWithoutExpiry": True}
        case "member":
            return {"role": "editor"}
        case "rules":
            return {**BODIES["rules", "POST"], "name": "another"}
    return BODIES.get((route.name, method))


PREPARED: Mapping[str, Callable[[Person, str], object]] = {
    "reset-command": lambda person, device: Board(device).fail(),
    "reset-commands": lambda person, device: Board(device).fail(),
    "unblock": lambda person, device: person.post(f"{DEVICES}/{device}/block"),
    "identity-key": lambda person, device: IdentityKey.objects.create(device_id=UUID(device), public_key="x"),
}


def named(answer: Answer, ids: Mapping[str, str], tenant: Tenant) -> set[str]:
    """The ids that the request or its answer speak of."""
    found = answer.body if isinstance(answer.body, dict) else {}
    made = [found.get(name) for name in ("id", "deviceId")]
    return {*ids.values(), str(tenant.id), *(str(one) for one in made if one)}


@pytest.mark.parametrize(
    ("route", "method"), CHANGING, ids=[f"{method} {route.template}" for route, method in CHANGING]
)
def test_every_change_names_the_key_and_the_object(cast: Cast, route: Route, method: str) -> None:
    person = cast.owner
    if route.name in ALONE:
        Tenant.objects.exclude(id=person.tenant.id).delete()
    ids = objects(person)
    if prepare := PREPARED.get(route.name):
        prepare(person, ids["device_id"])
    body = _body(route, method, ids["device_id"])
    last = AuditEntry.objects.latest("id").id
    answer = person.call(method, route.path(ids), body)
    assert answer.status < 300, answer.body
    found = entries(id__gt=last, tenant_id=person.tenant.id)
    assert found
    assert {(one.actor_kind, one.actor_id, one.actor) for one in found} == {
        ("key", str(person.row.id), person.row.name)
    }
    assert {one.address for one in found} == {"127.0.0.1"}
    objects_named = {one.object_id for one in found}
    if route.name == "tag" or route.name == "tags":
        assert [one.data["tag"] for one in found] == ["pumps"]
    elif route.name == "bulk-claims":
        assert objects_named == {
            str(d) for d in Device.objects.filter(device_type__gt="").values_list("id", flat=True)
        }
    else:
        assert objects_named & named(answer, ids, person.tenant), objects_named


def test_what_is_refused_looked_at_or_only_tried_leaves_nothing(cast: Cast, device: str) -> None:
    before = len(entries())
    cast.viewer.patch(f"{DEVICES}/{device}", {"name": "x"})
    cast.editor.patch(f"{DEVICES}/{device}", {"nme": "x"})
    cast.stranger.delete(f"{DEVICES}/{device}")
    cast.editor.post(f"{DEVICES}?dryrun=true", {"name": "new"})
    for path in (DEVICES, f"{DEVICES}/{device}", LOG):
        cast.owner.get(path)
    assert len(entries()) == before


def test_what_changes_nothing_the_second_time_is_told_once(cast: Cast, device: str) -> None:
    before = len(entries())
    for _ in range(2):
        cast.editor.post(f"{DEVICES}/{device}/block")
        cast.editor.post(DEVICES, {"name": "new"}, Idempotency_Key="k")
    (
        cast.admin.delete(f"/v1/api-keys/{cast.viewer.row.id}"),
        cast.admin.delete(f"/v1/api-keys/{cast.viewer.row.id}"),
    )
    assert [one.action for one in entries()[before:]] == [
        "device.blocked",
        "device.defined",
        "api-key.revoked",
    ]


def test_a_device_that_is_served_and_answers_leaves_nothing(cast: Cast, device: str, board: Board) -> None:
    cast.editor.commands(device, CONFIG)
    before = len(entries())
    board.do_all()
    assert len(entries()) == before


def test_a_rule_that_is_given_leaves_nothing_and_one_that_is_made_does(
    cast: Cast, device: str, board: Board
) -> None:
    rule = {"name": "r", "tags": ["pumps"], "commands": [{"request": CONFIG}], "active": True}
    id = cast.admin.post("/v1/provisioning-rules", rule).body["id"]
    board.do_all()
    cast.admin.patch(f"/v1/provisioning-rules/{id}", {"active": False, "description": "old"})
    cast.admin.delete(f"/v1/provisioning-rules/{id}")
    found = [(one.action, one.data) for one in entries(object_id=id)]
    assert found == [
        ("rule.made", {"name": "r"}),
        ("rule.activated", {"name": "r"}),
        ("rule.changed", {"name": "r", "fields": ["description"]}),
        ("rule.switched-off", {"name": "r"}),
        ("rule.deleted", {"name": "r"}),
    ]


def test_many_claims_cost_as_many_statements_as_two(cast: Cast) -> None:
    def cost(count: int) -> int:
        body = modems.rows(*(modems.known() for _ in range(count)))
        with CaptureQueriesContext(connection) as captured:
            assert cast.editor.post(DEVICES, body).status == 201
        return len(captured.captured_queries)

    cost(1)
    assert cost(2) == cost(20)
    assert len(entries(action="device.claimed")) == 23


def test_no_secret_is_in_the_log(cast: Cast, device: str) -> None:
    cast.editor.commands(device, PSK)
    secret = cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}).body["secret"]
    key = cast.admin.post("/v1/api-keys", {"name": "ci", "role": "viewer"}).body["key"]
    text = str(list(AuditEntry.objects.values()))
    for hidden in (str(PSK["preSharedKey"]["secret"]), str(secret), str(key)):
        assert hidden not in text


def test_who_loses_an_unproven_claim_does_not_learn_to_whom(cast: Cast) -> None:
    one = modems.known()
    Device.objects.create(id=one.uuid, tenant=cast.stranger.tenant, ownership_status=Ownership.UNPROVEN)
    assert cast.editor.post(DEVICES, {"claimToken": one.token}).status == 201
    (lost,) = told(cast.stranger, f"?objectId={one.id}")
    assert (lost["action"], lost["actor"]) == (
        "device.claim-lost",
        {"kind": "system", "id": "", "name": "Keyseed"},
    )
    assert (lost["address"], lost["data"]) == ("", {"why": "another claim has a proof"})


def test_what_a_sign_in_proves_is_the_devices_doing(cast: Cast, device: str) -> None:
    Device.objects.filter(id=device).update(ownership_status=Ownership.UNPROVEN)
    secret = cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}).body["secret"]
    sign_in.by_password(device, secret)
    newest, *_ = told(cast.admin)
    assert newest["action"] == "device.signed-in-with-what-its-owner-gave-it"
    assert newest["actor"] == {"kind": "device", "id": device, "name": device}
    assert acting.current() == acting.SYSTEM


# ---- reading it


def test_an_entry_has_everything(cast: Cast, device: str) -> None:
    began = timezone.now()
    (command,) = cast.editor.commands(device, CONFIG)
    cast.editor.post(f"{DEVICES}/{device}/provisioning/{command}/skip")
    newest, before, *_ = told(cast.admin)
    assert began.isoformat()[:23] <= newest.pop("at")[:23]
    assert newest == {
        "actor": {"kind": "key", "id": str(cast.editor.row.id), "name": "editor of here"},
        "address": "127.0.0.1",
        "action": "device.skipped",
        "object": {"kind": "device", "id": device},
        "data": {"command": command},
        "place": None,
        "digest": "",
    }
    assert (before["action"], before["data"]) == ("device.added", {"commands": [command]})
    audit.seal_all()
    newest, before, *_ = told(cast.admin)
    assert newest["place"] == before["place"] + 1
    assert newest["digest"] == audit.head().digest


def test_a_tenant_reads_its_own_only(cast: Cast, device: str) -> None:
    theirs = cast.stranger.device()
    audit.record("user.added", "operator", 1)
    for person, mine in ((cast.owner, device), (cast.stranger, theirs)):
        log = told(person)
        assert {one["object"]["id"] for one in log if one["object"]["kind"] == "device"} == {mine}
        assert "user.added" not in {one["action"] for one in log}
    assert told(cast.owner, f"?objectId={theirs}") == []
    assert told(cast.owner, f"?actor={cast.stranger.row.id}") == []


def test_it_stays_when_the_device_is_gone(cast: Cast, device: str) -> None:
    cast.editor.delete(f"{DEVICES}/{device}")
    actions = [one["action"] for one in told(cast.admin, f"?objectId={device.upper()}")]
    assert actions == ["device.unclaimed", "device.defined"]


def test_it_is_narrowed(cast: Cast, device: str) -> None:
    cast.editor.post(f"{DEVICES}/{device}/block")
    middle = timezone.now().isoformat().replace("+00:00", "Z")
    cast.admin.post(f"{DEVICES}/{device}/unblock")
    for query, actions in {
        f"?objectId={device}": ["unblocked", "blocked", "defined"],
        f"?actor={cast.editor.row.id}": ["blocked"],
        f"?actor={str(cast.editor.row.id).upper()}": ["blocked"],
        "?actor=admin of here": ["unblocked"],
        f"?action=device.defined&objectId={device}": ["defined"],
        f"?since={middle}": ["unblocked"],
        f"?until={middle}&objectId={device}": ["blocked", "defined"],
        f"?objectId={unknown()}": [],
    }.items():
        assert [one["action"] for one in told(cast.admin, query)] == [f"device.{one}" for one in actions], (
            query
        )


def test_it_is_read_in_pages(cast: Cast, device: str) -> None:
    for _ in range(3):
        cast.editor.post(f"{DEVICES}/{device}/block"), cast.editor.post(f"{DEVICES}/{device}/unblock")
    pages = list(cast.admin.pages(f"{LOG}?objectId={device}&pageLimit=3"))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one["action"] for page in pages for one in page] == [
        *["device.unblocked", "device.blocked"] * 3,
        "device.defined",
    ]


@pytest.mark.parametrize(
    "query", ["?since=yesterday", "?until=x", "?by=me", "?actor=%00", f"?action={'a' * 61}"]
)
def test_what_it_does_not_understand_is_refused(cast: Cast, query: str) -> None:
    assert cast.admin.get(LOG + query).status == 400


# ---- from where


def seen_from(person: Person, forwarded: str) -> str:
    assert person.post(DEVICES, {}, X_Forwarded_For=forwarded).status == 201
    return entries()[-1].address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("198.51.100.7, nonsense", ""),
        ("x" * 5000, ""),
    ],
)
def test_behind_our_proxy_its_word_counts_and_nobody_elses(cast: Cast, forwarded: str, address: str) -> None:
    assert seen_from(cast.editor, forwarded) == "127.0.0.1"
    with override_settings(KEYSEED_BEHIND_PROXY=True):
        assert seen_from(cast.editor, forwarded) == address


def test_nobody_acts_once_a_request_is_over(cast: Cast) -> None:
    cast.editor.device()
    assert acting.current() == acting.SYSTEM


# ---- what is written down is bounded


def test_texts_and_lists_are_cut_and_made_storable(db: None) -> None:
    with acting.acting(acting.Actor(acting.Kind.KEY, "i" * 99, "n\x00\ud800" + "n" * 999)):
        audit.record(
            "a" * 99, "o" * 99, "i" * 99, data={"list": [*range(500)], "text": "t\x00" * 500, "one": 1}
        )
    (entry,) = entries()
    assert entry.actor == "n?" + "n" * 198
    assert (len(entry.action), len(entry.object_kind), len(entry.object_id)) == (60, 30, 40)
    assert entry.data == {"list": [*range(100)], "text": "t" * 200, "one": 1}


def test_nothing_to_tell_costs_no_statement(db: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        audit.record_all([])
    assert captured.captured_queries == []
