"""The same `Idempotency-Key` makes one thing, however often and concurrently it is sent (API.md, Conventions)."""

import threading
import uuid
from typing import Any

import pytest

from tests.standalone.fleet import FINISHED, Device, config, until_let_in
from tests.standalone.rest import Answer, Owner


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def test_a_repeated_device_is_made_once(owner: Owner) -> None:
    once, body = key(), {"name": "one", "tags": [uuid.uuid4().hex]}
    first, again = (owner.post("/v1/claimed-devices", body, once) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert first.body["id"] == again.body["id"]
    assert len(owner.all("/v1/claimed-devices", tag=body["tags"][0])) == 1


def test_a_replay_renders_the_object_anew(owner: Owner) -> None:
    once = key()
    made = owner.post("/v1/claimed-devices", {"name": "before"}, once).made()
    owner.patch(f"/v1/claimed-devices/{made['id']}", {"name": "after"}).made()
    assert owner.post("/v1/claimed-devices", {"name": "before"}, once).made()["name"] == "after"


def test_another_body_under_the_same_key_is_a_conflict(owner: Owner) -> None:
    once = key()
    owner.post("/v1/claimed-devices", {"name": "one"}, once).made()
    owner.post("/v1/claimed-devices", {"name": "two"}, once).refused(409)


def test_a_repeated_command_and_batch_are_made_once(device: Device) -> None:
    once = key()
    for _ in range(3):
        device.owner.post(device.commands, {"request": config()}, once).made()
    batch, body = key(), {"commands": [{"request": config("c")}, {"request": FINISHED}]}
    made = [device.owner.post(f"{device.commands}/batch", body, batch).made() for _ in range(3)]
    assert made[0] == made[1] == made[2]
    assert len(device.listed()) == 3


def test_a_repeated_credential_is_made_once_and_its_secret_is_not_shown_again(device: Device) -> None:
    once = key()
    first = device.owner.post(f"{device.path}/credentials", {"kind": "password"}, once).made()
    again = device.owner.post(f"{device.path}/credentials", {"kind": "password"}, once)
    assert again.status == 201
    assert again.body["id"] == first["id"]
    assert again.body["secretShown"] is True
    assert "secret" not in again.body
    assert first["secret"] not in again.content.decode()
    until_let_in(Device(device.owner, device.id, first["secret"], device.mqtt)).close()


def test_a_repeated_api_key_is_made_once_and_not_shown_again(owner: Owner) -> None:
    once, body = key(), {"name": "ci", "role": "viewer"}
    first, again = (owner.post("/v1/api-keys", body, once).made() for _ in range(2))
    assert (again["id"], again["secretShown"]) == (first["id"], True)
    assert "key" not in again


def test_a_key_is_its_routes_and_its_devices_own(owner: Owner, device: Device) -> None:
    once = key()
    owner.post("/v1/claimed-devices", {}, once).made()
    device.owner.post(device.commands, {"request": FINISHED}, once).made()


def test_a_key_of_one_device_is_not_another_devices(new_device: Any) -> None:
    once, first, second = key(), new_device(), new_device()
    made = first.owner.post(first.commands, {"request": FINISHED}, once).made()
    other = second.owner.post(second.commands, {"request": FINISHED}, once)
    assert other.status in (201, 409)
    assert other.status == 409 or other.body["id"] != made["id"]
    assert len(first.listed()) == 1


def test_a_refusal_is_not_kept(device: Device) -> None:
    once = key()
    device.owner.post(device.commands, {"request": {"config": {}}}, once).refused(400)
    device.owner.post(device.commands, {"request": config()}, once).made()


def test_ten_at_once_make_one(owner: Owner) -> None:
    once, body = key(), {"tags": [uuid.uuid4().hex]}
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(owner.post("/v1/claimed-devices", body, once)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owner.all("/v1/claimed-devices", tag=body["tags"][0])) == 1
    for answer in answers:
        if answer.status != 201:
            answer.refused(409, "IN_PROGRESS")
    assert len({answer.body["id"] for answer in answers if answer.status == 201}) == 1


@pytest.mark.parametrize("text", ["", " ", "x" * 10_000, "é", "a\tb"])
def test_a_strange_key_is_refused_or_taken_and_never_an_error_of_ours(owner: Owner, text: str) -> None:
    answer = owner.post("/v1/claimed-devices", {}, {"Idempotency-Key": text.encode().decode("latin-1")})
    assert answer.status in (201, 400, 431)


def test_a_replay_of_what_was_deleted_does_not_bring_it_back(owner: Owner) -> None:
    once = key()
    made = owner.post("/v1/claimed-devices", {"name": "gone"}, once).made()
    owner.delete(f"/v1/claimed-devices/{made['id']}")
    answer = owner.post("/v1/claimed-devices", {"name": "gone"}, once)
    assert 400 <= answer.status < 500
    owner.get(f"/v1/claimed-devices/{made['id']}").refused(404)
