"""Another tenant's object does not exist: the same answer, on the same way, as for one that never did."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commands.models import Command
from devices.models import Device
from tenants.models import APIKey
from tests.rest.cast import CONFIG, DEVICES, Answer, Cast, Person, unknown
from tests.rest.routes import ALONE, BODIES, CALLS, Route

WITH_IDS = [
    (route, method, name) for route, method in CALLS if route.name not in ALONE for name in route.parameters
]
MALFORMED = ("x", "0", "{0}", "..;", "%00", "%C3%B8", "a" * 300, unknown().replace("-", ""))


def objects(person: Person) -> dict[str, str]:
    """One of everything that an address can name."""
    device = person.device(tags=["t"])
    (command,) = person.commands(device, CONFIG)
    credential = person.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}).body["id"]
    key = person.post("/v1/api-keys", {"name": "spare", "role": "viewer"}).body["id"]
    rule = person.post("/v1/provisioning-rules", BODIES["rules", "POST"]).body["id"]
    ids = {"device_id": device, "command_id": command, "credential_id": credential, "key_id": key}
    bulk = person.post(f"{DEVICES}/bulk", BODIES["bulk-claims", "POST"]).body["bulkOpsRequestId"]
    name = f"mia-{person.tenant.name}"
    member = person.post("/v1/members", {"userName": name, "role": "viewer"}).body["id"]
    hook = person.post("/v1/webhooks", BODIES["webhooks", "POST"]).body["id"]
    ids |= {"webhook_id": hook}
    return {**ids, "rule_id": rule, "bulk_id": bulk, "member_id": member}


def asked(person: Person, route: Route, method: str, ids: dict[str, str]) -> tuple[Answer, list[str]]:
    """The answer, and what the database was asked, ids left out."""
    with CaptureQueriesContext(connection) as queries:
        answer = person.call(method, route.path(ids), BODIES.get((route.name, method)))
    return answer, [re.sub(r"'?[0-9a-f-]{32,36}'?|s\d+_x\d+", "ID", query["sql"]) for query in queries]


@pytest.mark.parametrize(
    ("route", "method", "name"), WITH_IDS, ids=[f"{m} {r.template} {n}" for r, m, n in WITH_IDS]
)
def test_a_foreign_id_is_answered_as_one_that_never_was(
    cast: Cast, route: Route, method: str, name: str
) -> None:
    theirs, own = objects(cast.owner), objects(cast.stranger)
    rows = (list(Device.objects.values()), list(Command.objects.values()))
    never, never_asked = asked(cast.stranger, route, method, {**own, name: unknown()})
    foreign, foreign_asked = asked(cast.stranger, route, method, {**own, name: theirs[name]})
    assert never.status == foreign.status == 404
    assert foreign.body == never.body
    assert foreign_asked == never_asked
    for text in MALFORMED:
        malformed = cast.stranger.call(
            method, route.path({**own, name: text}), BODIES.get((route.name, method))
        )
        assert (malformed.status, malformed.body) == (404, never.body), text
    assert (list(Device.objects.values()), list(Command.objects.values())) == rows


def test_the_other_way_round_the_same_address_works(cast: Cast) -> None:
    ids = objects(cast.owner)
    for route, method in CALLS:
        if method == "GET" and route.name not in ALONE:
            assert cast.owner.call(method, route.path(ids)).status == 200


def test_lists_hold_only_what_is_ones_own(cast: Cast) -> None:
    ours, theirs = objects(cast.owner), objects(cast.stranger)
    for person, mine in ((cast.owner, ours), (cast.stranger, theirs)):
        assert [d["id"] for d in person.get(DEVICES).body["items"]] == [mine["device_id"]]
        names = {k["id"] for k in person.get("/v1/api-keys").body["items"]}
        assert names == {str(k.id) for k in APIKey.objects.filter(tenant=person.tenant)}
        assert person.get("/v1/tenant").body["id"] == str(person.tenant.id)
    for search in (theirs["device_id"], "search"):
        assert cast.owner.get(f"{DEVICES}?search={search}").body["items"] == []
    assert cast.owner.get(f"{DEVICES}?tag=t").body["items"][0]["id"] == ours["device_id"]


def test_a_serial_number_is_taken_only_within_a_tenant(cast: Cast) -> None:
    cast.owner.device(serialNumber="7")
    cast.stranger.device(serialNumber="7")


def test_a_page_token_does_not_open_another_tenants_list(cast: Cast) -> None:
    for person in (cast.owner, cast.stranger):
        person.device(), person.device()
    token = cast.owner.get(f"{DEVICES}?pageLimit=1").body["pageNextToken"]
    assert cast.stranger.get(f"{DEVICES}?pageLimit=1&pageNextToken={token}").status == 400


def test_an_idempotency_key_is_ones_own(cast: Cast) -> None:
    ours = cast.owner.post(DEVICES, {}, Idempotency_Key="k").body["id"]
    theirs = cast.stranger.post(DEVICES, {}, Idempotency_Key="k").body["id"]
    assert ours != theirs
    assert cast.stranger.owns(theirs)
    assert not cast.stranger.owns(ours)
