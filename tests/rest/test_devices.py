"""A device is defined, read, changed, blocked and unclaimed."""

import pytest

from devices.models import Credential, Device, OutboxRow, Tag, TimelineEntry
from tests.pki.make import p256
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Board, Cast, unknown
from tests.rest.material import public_pem

FIELDS = {
    "id",
    "name",
    "serialNumber",
    "deviceType",
    "firmwareId",
    "imei",
    "ownerId",
    "ownershipStatus",
    "tags",
    "status",
    "provisioningState",
    "templateId",
    "vendorId",
    "classId",
    "pendingCommands",
    "lastSeenAt",
    "claimedAt",
}


def test_a_device_is_defined_with_what_its_owner_says(cast: Cast) -> None:
    said = {"name": "pump", "serialNumber": "SN", "tags": ["a", "b"], "vendorId": "v", "classId": "c"}
    made = cast.editor.post(DEVICES, said)
    assert made.status == 201
    assert set(made.body) == FIELDS
    assert {name: made.body[name] for name in said} == said
    assert made.body["ownerId"] == str(cast.editor.tenant.id)
    assert (made.body["status"], made.body["provisioningState"]) == ("READY", "defined")
    assert (made.body["ownershipStatus"], made.body["templateId"]) == ("DEFINED", None)
    assert (made.body["pendingCommands"], made.body["lastSeenAt"]) == (0, None)
    assert cast.viewer.get(f"{DEVICES}/{made.body['id']}").body == made.body


def test_nothing_needs_to_be_said_of_a_device(cast: Cast) -> None:
    first, second = cast.editor.post(DEVICES, {}), cast.editor.post(DEVICES)
    assert first.status == second.status == 201
    assert (first.body["name"], first.body["tags"]) == ("", [])


@pytest.mark.parametrize("field", ["name", "serialNumber", "vendorId", "classId"])
@pytest.mark.parametrize(
    "value", ["x" * 101, 7, True, None, ["x"], {}, "a\u0007b", "a\nb", "a\x7fb", "a\x85b"]
)
def test_a_text_that_cannot_be_is_refused_by_name(cast: Cast, field: str, value: object) -> None:
    answer = cast.editor.post(DEVICES, {field: value})
    assert (answer.status, answer.body["code"], answer.fields) == (400, "INVALID", [field])
    assert answer.message.startswith(f"{field}: Must be")
    assert not Device.objects.exists()


def test_texts_are_trimmed_and_any_language(cast: Cast) -> None:
    made = cast.editor.post(DEVICES, {"name": "  Pumpe \u00e5 \U0001f30a ", "serialNumber": " 7 "}).body
    assert (made["name"], made["serialNumber"]) == ("Pumpe \u00e5 \U0001f30a", "7")
    assert cast.editor.post(DEVICES, {"name": "\u00e5" * 100}).status == 201


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ([], []),
        (["a,b"], ["a", "b"]),
        ([" a , b", "b", "a"], ["a", "b"]),
        (["location=Oslo"], ["location=Oslo"]),
        (["z", "a"], ["z", "a"]),
        (["x" * 100], ["x" * 100]),
        ([str(n) for n in range(50)], [str(n) for n in range(50)]),
    ],
)
def test_tags_are_parted_by_commas_and_kept_once_in_order(
    cast: Cast, tags: list[str], kept: list[str]
) -> None:
    made = cast.editor.post(DEVICES, {"tags": tags})
    assert (made.status, made.body["tags"]) == (201, kept)


@pytest.mark.parametrize(
    "tags",
    [
        "a",
        None,
        {"a": 1},
        [7],
        [None],
        [["a"]],
        [""],
        ["  "],
        ["a,,b"],
        ["a,"],
        ["x" * 101],
        ["a\tb"],
        [str(n) for n in range(51)],
        [",".join(str(n) for n in range(51))],
    ],
)
def test_what_is_no_list_of_tags_is_refused(cast: Cast, tags: object) -> None:
    answer = cast.editor.post(DEVICES, {"tags": tags})
    assert (answer.status, answer.fields) == (400, ["tags"])
    assert not Tag.objects.exists()


def test_what_is_not_there_yet_says_so(cast: Cast) -> None:
    template = cast.editor.post(DEVICES, {"templateId": unknown()})
    assert (template.status, template.fields) == (400, ["templateId"])
    assert "no such template" in template.message
    assert cast.editor.post(DEVICES, {"templateId": None}).status == 201


def test_every_unknown_field_is_named(cast: Cast, device: str) -> None:
    answer = cast.editor.post(DEVICES, {"nmae": "x", "id": unknown(), "status": "READY"})
    assert (answer.status, answer.fields) == (400, ["id", "nmae", "status"])
    changed = cast.editor.patch(f"{DEVICES}/{device}", {"templateId": None, "blocked": True})
    assert (changed.status, changed.fields) == (400, ["blocked", "templateId"])


def test_a_serial_number_is_taken_once(cast: Cast, device: str) -> None:
    answer = cast.editor.post(DEVICES, {"serialNumber": "SN-17"})
    assert (answer.status, answer.body["code"]) == (409, "SERIAL_NUMBER_TAKEN")
    assert answer.fields == ["serialNumber"]
    other = cast.editor.device()
    assert cast.editor.patch(f"{DEVICES}/{other}", {"serialNumber": "SN-17"}).status == 409
    assert cast.editor.patch(f"{DEVICES}/{device}", {"serialNumber": "SN-17"}).status == 200
    assert cast.editor.device() != cast.editor.device()


def test_a_public_key_becomes_its_credential(cast: Cast) -> None:
    pem = public_pem(p256())
    made = cast.editor.post(DEVICES, {"publicKey": pem})
    assert (made.status, made.body["provisioningState"]) == (201, "activated")
    assert Credential.objects.get(device_id=made.body["id"]).public_key == pem


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PUBLIC KEY-----", "x" * 20_000, 7, None])
def test_what_is_no_public_key_leaves_no_device(cast: Cast, key: object) -> None:
    answer = cast.editor.post(DEVICES, {"publicKey": key})
    assert (answer.status, answer.fields) == (400, ["publicKey"])
    assert not Device.objects.exists()


def test_only_what_is_named_changes(cast: Cast, device: str) -> None:
    before = cast.viewer.get(f"{DEVICES}/{device}").body
    changed = cast.editor.patch(f"{DEVICES}/{device}", {"name": "pump 18"})
    assert (changed.status, changed.body) == (200, {**before, "name": "pump 18"})
    change = {"serialNumber": "", "tags": ["c"], "vendorId": "v", "classId": "k"}
    changed = cast.editor.patch(f"{DEVICES}/{device}", change)
    assert changed.body == {**before, "name": "pump 18", **change}
    assert cast.editor.patch(f"{DEVICES}/{device}", {"tags": []}).body["tags"] == []


def test_a_group_is_set_and_found(cast: Cast, device: str) -> None:
    cast.editor.device()
    assert cast.editor.patch(f"{DEVICES}/{device}", {"group": "harbour"}).status == 200
    assert [d["id"] for d in cast.viewer.get(f"{DEVICES}?group=harbour").body["items"]] == [device]


def test_a_change_of_nothing_changes_nothing(cast: Cast, device: str) -> None:
    before = list(TimelineEntry.objects.values())
    assert cast.editor.patch(f"{DEVICES}/{device}", {}).status == 200
    assert list(TimelineEntry.objects.values()) == before
    assert cast.editor.patch(f"{DEVICES}/{unknown()}", {}).status == 404


def test_a_refused_change_changes_nothing(cast: Cast, device: str) -> None:
    before = cast.viewer.get(f"{DEVICES}/{device}").body
    assert cast.editor.patch(f"{DEVICES}/{device}", {"name": "x", "tags": [""]}).status == 400
    cast.editor.device(serialNumber="8")
    assert cast.editor.patch(f"{DEVICES}/{device}", {"tags": ["x"], "serialNumber": "8"}).status == 409
    assert cast.viewer.get(f"{DEVICES}/{device}").body == before


def test_an_unclaimed_device_leaves_nothing(cast: Cast, device: str) -> None:
    cast.editor.commands(device, CONFIG)
    cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"})
    gone = cast.editor.delete(f"{DEVICES}/{device}")
    assert (gone.status, gone.body) == (204, None)
    assert cast.editor.get(f"{DEVICES}/{device}").status == 404
    assert cast.editor.delete(f"{DEVICES}/{device}").status == 404
    for model in (Device, Tag, Credential, TimelineEntry):
        assert not model.objects.exists()
    assert {row.kind for row in OutboxRow.objects.filter(device_id=device)} >= {"kick", "credentials"}


def test_blocking_and_unblocking_give_the_device_back(cast: Cast, device: str, board: Board) -> None:
    cast.editor.commands(device, CONFIG)
    for _ in range(2):
        blocked = cast.editor.post(f"{DEVICES}/{device}/block")
        assert (blocked.status, blocked.body["status"]) == (200, "BLOCKED")
        assert blocked.body["pendingCommands"] == 0
    assert board.say("get", {})["code"] == "BLOCKED"
    for _ in range(2):
        free = cast.editor.post(f"{DEVICES}/{device}/unblock", {})
        assert (free.status, free.body["status"], free.body["pendingCommands"]) == (200, "READY", 1)
    assert len(board.pull()) == 1
    kinds = [e.data["what"] for e in TimelineEntry.objects.filter(kind="changed").order_by("id")]
    assert kinds == ["defined", "added", "blocked", "unblocked"]


def test_calls_without_a_body_refuse_one(cast: Cast, device: str) -> None:
    answer = cast.editor.post(f"{DEVICES}/{device}/block", {"reason": "x"})
    assert (answer.status, answer.fields) == (400, ["reason"])
    assert cast.viewer.get(f"{DEVICES}/{device}").body["status"] == "READY"


def test_the_device_object_follows_the_device(cast: Cast, device: str, board: Board) -> None:
    cast.editor.commands(device, CONFIG, FINISHED)
    assert cast.viewer.get(f"{DEVICES}/{device}").body["pendingCommands"] == 2
    board.do_all()
    now = cast.viewer.get(f"{DEVICES}/{device}").body
    assert (now["status"], now["pendingCommands"]) == ("PROVISIONED", 0)
    assert now["lastSeenAt"] > now["claimedAt"]
