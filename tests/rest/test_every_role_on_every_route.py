"""What each role may do, for every address and method that there is."""

import pytest

from tenants.models import Tenant
from tenants.roles import Role, includes
from tests.rest.cast import DEVICES, Cast, call, unknown
from tests.rest.routes import ALONE, BODIES, CALLS, NAMES, Route

IDS = {
    "device_id": unknown(),
    "command_id": unknown(),
    "credential_id": unknown(),
    "key_id": unknown(),
    "rule_id": unknown(),
    "bulk_id": unknown(),
    "webhook_id": unknown(),
    "member_id": unknown(),
}

EXPECTED = {
    "GET v1/claimed-devices": "viewer",
    "POST v1/claimed-devices": "editor",
    "POST v1/claimed-devices/bulk": "editor",
    "POST v1/devices": "editor",
    "GET v1/bulk-ops-requests/{bulk_id}": "viewer",
    "POST v1/identity-keys": "admin",
    "GET v1/identity-keys/{device_id}": "admin",
    "DELETE v1/identity-keys/{device_id}": "admin",
    "GET v1/claimed-devices/{device_id}": "viewer",
    "PATCH v1/claimed-devices/{device_id}": "editor",
    "DELETE v1/claimed-devices/{device_id}": "editor",
    "POST v1/claimed-devices/{device_id}/block": "editor",
    "POST v1/claimed-devices/{device_id}/unblock": "editor",
    "GET v1/claimed-devices/{device_id}/credentials": "viewer",
    "POST v1/claimed-devices/{device_id}/credentials": "editor",
    "DELETE v1/claimed-devices/{device_id}/credentials/{credential_id}": "editor",
    "GET v1/claimed-devices/{device_id}/timeline": "viewer",
    "GET v1/claimed-devices/{device_id}/explain": "viewer",
    "GET v1/claimed-devices/{device_id}/provisioning": "viewer",
    "POST v1/claimed-devices/{device_id}/provisioning": "editor",
    "POST v1/claimed-devices/{device_id}/provisioning/batch": "editor",
    "POST v1/claimed-devices/{device_id}/provisioning/reset": "editor",
    "GET v1/claimed-devices/{device_id}/provisioning/{command_id}": "viewer",
    "DELETE v1/claimed-devices/{device_id}/provisioning/{command_id}": "editor",
    "POST v1/claimed-devices/{device_id}/provisioning/{command_id}/reset": "editor",
    "POST v1/claimed-devices/{device_id}/provisioning/{command_id}/skip": "editor",
    "GET v1/provisioning-rules": "viewer",
    "POST v1/provisioning-rules": "admin",
    "GET v1/provisioning-rules/{rule_id}": "viewer",
    "PATCH v1/provisioning-rules/{rule_id}": "admin",
    "DELETE v1/provisioning-rules/{rule_id}": "admin",
    "POST v1/provisioning-rules/{rule_id}/preview": "viewer",
    "GET v1/provisioning/tags": "viewer",
    "POST v1/provisioning/tags": "editor",
    "GET v1/webhooks": "viewer",
    "POST v1/webhooks": "admin",
    "GET v1/webhooks/{webhook_id}": "viewer",
    "PATCH v1/webhooks/{webhook_id}": "admin",
    "DELETE v1/webhooks/{webhook_id}": "admin",
    "POST v1/webhooks/{webhook_id}/rotate-secret": "admin",
    "POST v1/webhooks/{webhook_id}/resume": "admin",
    "POST v1/webhooks/{webhook_id}/test": "admin",
    "GET v1/webhooks/{webhook_id}/deliveries": "viewer",
    "GET v1/tenant": "viewer",
    "PATCH v1/tenant": "owner",
    "GET v1/audit-log": "admin",
    "GET v1/api-keys": "admin",
    "POST v1/api-keys": "admin",
    "DELETE v1/api-keys/{key_id}": "admin",
    "GET v1/members": "admin",
    "POST v1/members": "owner",
    "GET v1/members/{member_id}": "admin",
    "PATCH v1/members/{member_id}": "owner",
    "DELETE v1/members/{member_id}": "owner",
}


@pytest.mark.parametrize(("route", "method"), CALLS, ids=NAMES)
def test_a_role_opens_what_it_is_for_and_nothing_more(cast: Cast, route: Route, method: str) -> None:
    needed = Role(EXPECTED[f"{method} {route.template}"])
    if route.name in ALONE:
        Tenant.objects.exclude(id=cast.owner.tenant.id).delete()
    for person in cast.ours:
        answer = person.call(method, route.path(IDS), BODIES.get((route.name, method)))
        if includes(person.role, needed):
            # A second rule of one name is refused, but not for the role.
            told = (answer.body or {}).get("code")
            assert answer.status in (200, 201, 202, 404) or told == "NAME_TAKEN", answer.body
        else:
            assert answer.status == 403
            assert answer.body["code"] == "FORBIDDEN"
            assert f"the role {needed}" in answer.message
            assert person.role in answer.message


@pytest.mark.parametrize(("route", "method"), CALLS, ids=NAMES)
@pytest.mark.django_db
def test_nothing_opens_without_a_key(route: Route, method: str) -> None:
    answer = call(method, route.path(IDS), b"{}")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.body["code"] == "UNAUTHENTICATED"
    assert "Authorization: Bearer" in answer.message


@pytest.mark.parametrize(("route", "method"), CALLS, ids=NAMES)
def test_every_method_declares_a_role(route: Route, method: str) -> None:
    assert method in route.roles


def test_a_method_that_is_not_there_is_told_which_are(cast: Cast) -> None:
    answer = cast.owner.call("PUT", DEVICES, {})
    assert (answer.status, answer.body["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "GET or HEAD or POST" in answer.message
    assert "POST" in answer.headers["Allow"]
    assert cast.viewer.call("OPTIONS", DEVICES).status == 405


def test_head_is_answered_as_get_is(cast: Cast) -> None:
    assert cast.viewer.call("HEAD", DEVICES).status == 200
    assert cast.viewer.call("HEAD", "/v1/api-keys").status == 403
