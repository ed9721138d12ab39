"""KEYSEED_PLATFORM_KEY makes and lists tenants, and opens nothing else."""

import pytest
from django.test import override_settings
from pytest_django.fixtures import Settings

from tenants.models import APIKey, AuditEntry, IdempotentAnswer, Tenant
from tests.rest.cast import DEVICES, Answer, Cast, call, unknown
from tests.rest.routes import CALLS, NAMES, PLATFORM, Route, routes
from tests.rest.test_every_role_on_every_route import IDS

KEY = "the-platform-key-of-these-tests-0123456789"
TENANTS = "/v1/tenants"
OF_PLATFORM = [(route, method) for route in routes() for method in route.methods if route.name in PLATFORM]


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.KEYSEED_PLATFORM_KEY = KEY


def ask(method: str, path: str, body: bytes = b"", key: str = KEY, **headers: str) -> Answer:
    return call(method, path, body, headers={"Authorization": f"Bearer {key}", **headers})


def test_a_tenant_is_made_with_its_first_owners_key(db: None) -> None:
    made = ask("POST", TENANTS, b'{"name": "pumps"}')
    assert made.status == 201
    assert (made.body["name"], made.body["sandbox"]) == ("pumps", False)
    owned = call("GET", "/v1/tenant", headers={"Authorization": f"Bearer {made.body['apiKey']}"})
    assert owned.body["id"] == made.body["id"]
    assert APIKey.objects.get().role == "owner"
    assert AuditEntry.objects.filter(action="tenant.made").count() == 1


def test_tenants_are_listed_in_pages_and_shown_alone(cast: Cast) -> None:
    names, query = [], "?pageLimit=1"
    while query:
        page = ask("GET", TENANTS + query).body
        names += [one["name"] for one in page["items"]]
        query = f"?pageLimit=1&pageNextToken={page['pageNextToken']}" if page["pageNextToken"] else ""
    assert names == ["there", "here"]
    assert ask("GET", f"{TENANTS}/{cast.owner.tenant.id}").body["name"] == "here"
    assert ask("GET", f"{TENANTS}/{unknown()}").status == 404
    assert ask("GET", f"{TENANTS}/nonsense").body == ask("GET", f"{TENANTS}/{unknown()}").body


def test_a_repeated_request_makes_one_tenant_and_shows_no_key(db: None) -> None:
    first = ask("POST", TENANTS, b'{"name": "pumps", "sandbox": true}', **{"Idempotency-Key": "k"})
    again = ask("POST", TENANTS, b'{"name": "pumps", "sandbox": true}', **{"Idempotency-Key": "k"})
    assert (again.status, again.body["id"], again.body["secretShown"]) == (201, first.body["id"], True)
    assert "apiKey" not in again.body
    assert Tenant.objects.count() == 1
    assert first.body["apiKey"] not in str(list(IdempotentAnswer.objects.values()))
    other = ask("POST", TENANTS, b'{"name": "boilers"}', **{"Idempotency-Key": "k"})
    assert (other.status, other.body["code"]) == (409, "IDEMPOTENCY_MISMATCH")


def test_a_name_is_taken_once(cast: Cast) -> None:
    assert ask("POST", TENANTS, b'{"name": "here"}').body["code"] == "NAME_TAKEN"
    for wrong in (
        b"{}",
        b'{"name": ""}',
        b'{"name": 7}',
        b'{"name": "x", "sandbox": 1}',
        b'{"name": "x", "id": 1}',
    ):
        assert ask("POST", TENANTS, wrong).status == 400
    assert Tenant.objects.count() == 2


def test_a_second_tenant_is_refused_where_settings_are_for_one(db: None) -> None:
    with override_settings(KEYSEED_CLAIM_PROOF="off"):
        assert ask("POST", TENANTS, b'{"name": "first"}').status == 201
        second = ask("POST", TENANTS, b'{"name": "second"}')
        assert (second.status, second.body["code"]) == (409, "CONFLICT")
        assert ask("POST", TENANTS, b'{"name": "try", "sandbox": true}').status == 201
    assert [one.name for one in Tenant.objects.order_by("created_at")] == ["first", "try"]


@pytest.mark.parametrize(("route", "method"), CALLS, ids=NAMES)
def test_it_opens_nothing_in_a_tenant(cast: Cast, route: Route, method: str) -> None:
    answer = ask(method, route.path(IDS), b"{}" if method in ("POST", "PATCH") else b"")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    assert "sees nothing in them" in answer.message


@pytest.mark.parametrize(("route", "method"), OF_PLATFORM, ids=lambda one: getattr(one, "template", one))
def test_no_key_of_a_tenant_opens_what_is_the_platforms(cast: Cast, route: Route, method: str) -> None:
    for who in cast.ours:
        for tenant in (str(cast.stranger.tenant.id), str(who.tenant.id), unknown()):
            answer = who.call(
                method, route.path({"tenant_id": tenant}), {"name": "mine"} if method == "POST" else None
            )
            assert (answer.status, "needs the platform key" in answer.message) == (403, True)
    assert call(method, route.path({"tenant_id": unknown()})).status == 401
    assert Tenant.objects.count() == 2


@pytest.mark.parametrize("given", ["", "short", "k" * 31])
def test_no_key_or_a_short_one_opens_nothing(db: None, settings: Settings, given: str) -> None:
    settings.KEYSEED_PLATFORM_KEY = given
    for tried in (given, KEY, ""):
        assert ask("GET", TENANTS, key=tried).status == 401


def test_nobody_has_the_role_in_a_tenant(cast: Cast) -> None:
    made = cast.owner.post("/v1/api-keys", {"name": "x", "role": "platform"})
    assert (made.status, made.fields) == (400, ["role"])
    assert ask("GET", DEVICES).status == 403
