"""Another tenant's object does not exist: the same 404 as one that never did (API.md, Conventions)."""

import statistics
import time
import uuid
from typing import Any

import pytest

from tests.standalone.fleet import Device, config
from tests.standalone.installation import Installation, manage, settings_of
from tests.standalone.rest import Answer, Owner


def same(one: Answer, other: Answer) -> bool:
    volatile = {"date"}
    headers = [{k: v for k, v in answer.headers.items() if k not in volatile} for answer in (one, other)]
    return (one.status, one.content, headers[0]) == (other.status, other.content, headers[1])


def routes(device: str, command: str, credential: str) -> list[tuple[str, str, Any]]:
    at = f"/v1/claimed-devices/{device}"
    return [
        ("GET", at, None),
        ("PATCH", at, {"name": "stolen"}),
        ("PATCH", at, {"nonsense": "stolen"}),
        ("DELETE", at, None),
        ("POST", f"{at}/block", None),
        ("POST", f"{at}/unblock", None),
        ("GET", f"{at}/credentials", None),
        ("POST", f"{at}/credentials", {"kind": "password"}),
        ("POST", f"{at}/credentials", {}),
        ("DELETE", f"{at}/credentials/{credential}", None),
        ("GET", f"{at}/timeline", None),
        ("GET", f"{at}/timeline?pageLimit=x", None),
        ("GET", f"{at}/explain", None),
        ("GET", f"{at}/provisioning", None),
        ("POST", f"{at}/provisioning", {"request": {"finished": {}}}),
        ("POST", f"{at}/provisioning", {"request": {}}),
        ("POST", f"{at}/provisioning/batch", {"commands": [{"request": {"finished": {}}}]}),
        ("POST", f"{at}/provisioning/reset", None),
        ("GET", f"{at}/provisioning/{command}", None),
        ("DELETE", f"{at}/provisioning/{command}", None),
        ("POST", f"{at}/provisioning/{command}/reset", None),
        ("POST", f"{at}/provisioning/{command}/skip", None),
    ]


def send(who: Owner, method: str, path: str, body: Any) -> Answer:
    if method == "POST":
        return who.post(path, body)
    if method == "PATCH":
        return who.patch(path, body)
    return who.delete(path) if method == "DELETE" else who.get(path)


@pytest.mark.parametrize("index", range(len(routes("", "", ""))))
def test_another_tenants_object_answers_like_one_that_never_was(
    device: Device, stranger: Owner, index: int
) -> None:
    (command,) = device.add(config())
    (credential,) = device.owner.all(f"{device.path}/credentials")
    before = device.read()
    never = str(uuid.uuid4())
    theirs = send(stranger, *routes(device.id, command, credential["id"])[index])
    nobodys = send(stranger, *routes(never, str(uuid.uuid4()), str(uuid.uuid4()))[index])
    assert same(theirs, nobodys), (theirs, nobodys)
    assert theirs.status in (400, 404)
    assert device.read() == before
    assert len(device.listed()) == 1


def test_another_tenants_devices_are_not_listed_nor_found(device: Device, stranger: Owner) -> None:
    assert stranger.all("/v1/claimed-devices") == []
    for query in ({"search": device.id}, {"status": "READY"}, {"lastSeenBefore": "2100-01-01T00:00:00Z"}):
        assert stranger.all("/v1/claimed-devices", **query) == []


def test_two_tenants_may_use_one_serial_number(new_device: Any, stranger: Owner) -> None:
    serial = uuid.uuid4().hex
    mine = new_device(serialNumber=serial)
    theirs = stranger.post("/v1/claimed-devices", {"serialNumber": serial}).made()
    assert mine.id != theirs["id"]
    assert [found["id"] for found in stranger.all("/v1/claimed-devices", serialNumber=serial)] == [
        theirs["id"]
    ]
    assert stranger.delete(f"/v1/claimed-devices/{theirs['id']}").status == 204


def test_two_tenants_may_use_one_idempotency_key(owner: Owner, stranger: Owner) -> None:
    once = {"Idempotency-Key": uuid.uuid4().hex}
    mine, theirs = (who.post("/v1/claimed-devices", {}, once).made() for who in (owner, stranger))
    assert mine["id"] != theirs["id"]
    assert mine["ownerId"] != theirs["ownerId"]
    stranger.delete(f"/v1/claimed-devices/{theirs['id']}")


def test_another_tenants_command_is_not_reached_through_ones_own_device(
    device: Device, stranger: Owner
) -> None:
    (command,) = device.add(config())
    own = stranger.post("/v1/claimed-devices", {}).made()["id"]
    stranger.get(f"/v1/claimed-devices/{own}/provisioning/{command}").refused(404)
    stranger.post(f"/v1/claimed-devices/{own}/provisioning/{command}/skip").refused(404)
    stranger.delete(f"/v1/claimed-devices/{own}")
    assert device.states(command) == ["PENDING"]


def test_keys_are_the_tenants_own(owner: Owner, stranger: Owner) -> None:
    mine = owner.all("/v1/api-keys")
    theirs = stranger.all("/v1/api-keys")
    assert not {key["id"] for key in mine} & {key["id"] for key in theirs}
    foreign = stranger.delete(f"/v1/api-keys/{mine[0]['id']}")
    foreign.refused(404)
    assert same(foreign, stranger.delete(f"/v1/api-keys/{uuid.uuid4()}"))
    owner.get("/v1/tenant").made()


def test_each_sees_its_own_tenant(owner: Owner, stranger: Owner) -> None:
    assert owner.get("/v1/tenant").made()["name"] == "default"
    assert stranger.get("/v1/tenant").made()["name"] == "other"


def test_a_404_takes_as_long_for_theirs_as_for_nobodys(device: Device, stranger: Owner) -> None:
    def median(id: str) -> float:
        times = []
        for _ in range(25):
            begin = time.perf_counter()
            stranger.get(f"/v1/claimed-devices/{id}").refused(404)
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    never = str(uuid.uuid4())
    theirs, nobodys = median(device.id), median(never)
    assert abs(theirs - nobodys) < max(theirs, nobodys), (theirs, nobodys)


def test_bootstrapping_a_tenant_twice_keeps_the_first_key(service: Installation, stranger: Owner) -> None:
    again = manage("bootstrap", "--tenant", "other", settings=settings_of(service))
    assert again.returncode == 0, again.stderr
    stranger.get("/v1/tenant").made()
