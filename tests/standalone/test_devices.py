"""A device as its owner defines, reads, changes and deletes it (API.md, Devices)."""

import uuid
from collections.abc import Callable

from tests.standalone import material
from tests.standalone.board import failed, ok
from tests.standalone.fleet import FINISHED, Device, config
from tests.standalone.rest import TIME, Owner

FIELDS = {
    "id", "name", "serialNumber", "deviceType", "firmwareId", "imei", "ownerId", "ownershipStatus", "tags",
    "status", "provisioningState", "templateId", "vendorId", "classId", "pendingCommands", "lastSeenAt", "claimedAt",
}  # fmt: skip


def test_a_device_object_has_the_fields_of_the_api(owner: Owner) -> None:
    made = owner.post("/v1/claimed-devices", {"name": "Brønn 7", "tags": ["b", "a"], "vendorId": "v"}).made()
    assert set(made) == FIELDS
    assert str(uuid.UUID(made["id"])) == made["id"]
    assert (made["name"], sorted(made["tags"]), made["vendorId"]) == ("Brønn 7", ["a", "b"], "v")
    assert TIME.fullmatch(made["claimedAt"])
    assert owner.get(f"/v1/claimed-devices/{made['id']}").made() == made


def test_a_device_needs_no_field_at_all(owner: Owner) -> None:
    one, two = (owner.post("/v1/claimed-devices", {}).made() for _ in range(2))
    assert one["id"] != two["id"]


def test_a_device_may_be_defined_with_its_public_key(owner: Owner) -> None:
    made = owner.post("/v1/claimed-devices", {"publicKey": material.public_key_pem()}).made()
    (credential,) = owner.all(f"/v1/claimed-devices/{made['id']}/credentials")
    assert (credential["kind"], credential["userName"]) == ("publicKey", made["id"])


def test_pending_commands_are_what_a_pull_would_bring(new_device: Callable[..., Device]) -> None:
    device = new_device()
    assert device.read()["pendingCommands"] == 0
    first, *_ = device.add(config(), config("c"), FINISHED, config("behind"))
    assert device.read()["pendingCommands"] == 3
    with device.board() as board:
        served = board.get(limit=1)["commands"]
        assert device.read()["pendingCommands"] == 3
        board.results(failed(served[0]["id"]))
        assert device.read()["pendingCommands"] == 0
        device.act(first, "skip").made()
        assert device.read()["pendingCommands"] == 2
    device.owner.post(f"{device.path}/block").made()
    assert device.read()["pendingCommands"] == 0


def test_nothing_is_found_across_deletions(new_device: Callable[..., Device]) -> None:
    serial = uuid.uuid4().hex
    first = new_device(serialNumber=serial)
    (id,) = first.add(config())
    with first.board() as board:
        board.results(ok(board.get()["commands"][0]["id"]))
    assert first.owner.delete(first.path).status == 204
    second = new_device(serialNumber=serial)
    assert second.listed(run="all") == []
    second.owner.get(f"{second.commands}/{id}").refused(404)
    assert {entry["kind"] for entry in second.owner.all(f"{second.path}/timeline")} == {"changed"}


def test_a_late_word_for_a_deleted_device_is_harmless(new_device: Callable[..., Device]) -> None:
    device = new_device()
    with device.board() as board:
        assert device.owner.delete(device.path).status == 204
        for _ in range(5):
            board.client.publish(f"prov/v1/{device.id}/json/get", b"{}", 1)
        assert board.wait_until_lost(2.0) is not None
        heard = [down for down in board.silence(0) if down.word in ("commands", "accepted", "rejected")]
    assert all(down.word == "rejected" and down.body["code"] == "NOT_CLAIMED" for down in heard)
