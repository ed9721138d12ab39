"""A key does what its role may, and no more; without a key there is nothing (API.md, Conventions)."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.standalone.fleet import Device, config
from tests.standalone.rest import TIME, Owner

READS = [
    "/v1/claimed-devices",
    "{device}",
    "{device}/provisioning",
    "{device}/provisioning/{command}",
    "{device}/timeline",
    "{device}/explain",
    "{device}/credentials",
    "/v1/tenant",
]
WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/claimed-devices", {}),
    ("PATCH", "{device}", {"name": "x"}),
    ("POST", "{device}/block", None),
    ("POST", "{device}/unblock", None),
    ("DELETE", "{device}/credentials/{credential}", None),
    ("POST", "{device}/credentials", {"kind": "password"}),
    ("POST", "{device}/provisioning", {"request": {"finished": {}}}),
    ("POST", "{device}/provisioning/batch", {"commands": [{"request": {"finished": {}}}]}),
    ("POST", "{device}/provisioning/{command}/reset", None),
    ("POST", "{device}/provisioning/reset", None),
    ("POST", "{device}/provisioning/{command}/skip", None),
    ("DELETE", "{device}/provisioning/{other}", None),
    ("DELETE", "{device}", None),
]


def made(owner: Owner, role: str, **fields: Any) -> tuple[Owner, dict[str, Any]]:
    body = owner.post("/v1/api-keys", {"name": role, "role": role} | fields).made()
    return Owner(owner.port, body["key"]), body


@pytest.fixture(scope="module")
def people(owner: Owner) -> dict[str, Owner]:
    return {role: made(owner, role)[0] for role in ("viewer", "editor", "admin", "owner")}


@pytest.fixture
def names(device: Device) -> dict[str, str]:
    first, second = device.add(config(), config("c"))
    (credential,) = device.owner.all(f"{device.path}/credentials")
    return {"device": device.path, "command": first, "other": second, "credential": credential["id"]}


def sent(who: Owner, method: str, path: str, body: Any) -> Any:
    if method == "POST":
        return who.post(path, body)
    return who.patch(path, body) if method == "PATCH" else who.delete(path)


@pytest.mark.parametrize("role", ["viewer", "editor", "admin", "owner"])
def test_every_role_reads_devices_and_commands(
    people: dict[str, Owner], names: dict[str, str], role: str
) -> None:
    for path in READS:
        people[role].get(path.format(**names)).made()


def test_a_viewer_changes_nothing(people: dict[str, Owner], names: dict[str, str], owner: Owner) -> None:
    before = [owner.get(names["device"]).body, owner.get(f"{names['device']}/provisioning").body]
    for method, path, body in WRITES:
        sent(people["viewer"], method, path.format(**names), body).refused(403)
    assert [owner.get(names["device"]).body, owner.get(f"{names['device']}/provisioning").body] == before


@pytest.mark.parametrize("role", ["editor", "admin", "owner"])
def test_an_editor_works_on_devices_and_commands(
    people: dict[str, Owner], names: dict[str, str], role: str
) -> None:
    for method, path, body in WRITES:
        sent(people[role], method, path.format(**names), body).made()


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_keys_are_for_admins(people: dict[str, Owner], role: str) -> None:
    who = people[role]
    who.get("/v1/api-keys").refused(403)
    who.post("/v1/api-keys", {"name": "x", "role": "viewer"}).refused(403)
    who.delete(f"/v1/api-keys/{uuid.uuid4()}").refused(403)


def test_a_role_is_refused_the_same_whether_the_thing_is_there_or_not(
    people: dict[str, Owner], owner: Owner
) -> None:
    (key, *_) = owner.all("/v1/api-keys")
    there = people["editor"].delete(f"/v1/api-keys/{key['id']}")
    nowhere = people["editor"].delete(f"/v1/api-keys/{uuid.uuid4()}")
    assert (there.status, there.content) == (nowhere.status, nowhere.content)


def test_an_admin_makes_and_revokes_keys_but_none_above_its_own_role(
    people: dict[str, Owner], owner: Owner
) -> None:
    viewer, body = made(people["admin"], "viewer")
    assert people["admin"].delete(f"/v1/api-keys/{body['id']}").status == 204
    viewer.get("/v1/claimed-devices").refused(401)
    people["admin"].post("/v1/api-keys", {"name": "x", "role": "owner"}).refused(403)
    _, higher = made(owner, "owner")
    people["admin"].delete(f"/v1/api-keys/{higher['id']}").refused(403)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer {key}x",
        "Bearer  {key} {key}",
        "Basic {key}",
        "{key}",
        "Bearer " + "x" * 8_000,
        "Bearer é",
    ],
    ids=repr,
)
def test_without_a_key_there_is_nothing(owner: Owner, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.format(key=owner.key)}
    nobody = Owner(owner.port, None, headers)
    for path in ("/v1/claimed-devices", "/v1/tenant", f"/v1/claimed-devices/{uuid.uuid4()}", "/v1/api-keys"):
        answer = nobody.get(path)
        answer.refused(401)
        assert answer.headers["www-authenticate"]
    nobody.post("/v1/claimed-devices", {}).refused(401)


def test_a_key_is_shown_once(owner: Owner) -> None:
    _, body = made(owner, "viewer")
    assert len(body["key"]) >= 27
    assert body["key"] not in owner.get("/v1/api-keys").content.decode()
    assert all("key" not in item for item in owner.all("/v1/api-keys"))


def test_a_revoked_key_is_dead_at_once(owner: Owner) -> None:
    viewer, body = made(owner, "viewer")
    viewer.get("/v1/tenant").made()
    assert owner.delete(f"/v1/api-keys/{body['id']}").status == 204
    viewer.get("/v1/tenant").refused(401)


def test_a_key_ends_when_it_expires(owner: Owner) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    viewer, body = made(owner, "viewer", expiresAt=soon)
    assert TIME.fullmatch(body["expiresAt"])
    viewer.get("/v1/tenant").made()
    time.sleep(1.1)
    viewer.get("/v1/tenant").refused(401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"role": "viewer"},
        {"name": "", "role": "viewer"},
        {"name": "x" * 1_000, "role": "viewer"},
        {"name": 1, "role": "viewer"},
        {"name": "x", "role": "platform"},
        {"name": "x", "role": "root"},
        {"name": "x", "role": 1},
        {"name": "x", "role": "viewer", "expiresAt": "2020-01-01T00:00:00Z"},
        {"name": "x", "role": "viewer", "expiresAt": "never"},
        {"name": "x", "role": "viewer", "key": "my own"},
        {"name": "x", "role": "viewer", "tenant": "other"},
    ],
    ids=repr,
)
def test_a_wrong_key_is_refused(owner: Owner, body: dict[str, Any]) -> None:
    assert owner.post("/v1/api-keys", body).refused(400)["errors"]


def test_health_needs_no_key(owner: Owner) -> None:
    nobody = Owner(owner.port, None)
    assert nobody.get("/healthz").status == 200
    assert nobody.get("/readyz").status == 200


def test_the_admin_is_for_people_who_sign_in(owner: Owner) -> None:
    nobody = Owner(owner.port, None)
    answer = nobody.get("/admin/")
    assert (answer.status, "login" in answer.headers["location"]) == (302, True)
    login = nobody.get("/admin/login/")
    assert (login.status, b"csrfmiddlewaretoken" in login.content) == (200, True)
