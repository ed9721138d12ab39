"""A device's list: put, read, repaired."""

from typing import Any

import pytest

from commands.models import Command
from devices.models import Device
from tests.pki.make import SESAME, p256
from tests.rest.cast import CONFIG, DEVICES, FINISHED, PSK, Board, Cast, unknown
from tests.rest.material import authority, encrypted_key, public_pem

KEYGEN = {"clientPrivateKeyGeneration": {"secTag": 1}}
FIELDS = {
    "id",
    "position",
    "description",
    "request",
    "status",
    "response",
    "error",
    "attempt",
    "deliveries",
    "createdAt",
    "servedAt",
    "closedAt",
}


@pytest.fixture
def path(device: str) -> str:
    return f"{DEVICES}/{device}/provisioning"


def test_a_command_is_put_at_the_end(cast: Cast, path: str) -> None:
    first = cast.editor.post(path, {"request": CONFIG, "description": "Set up"})
    assert first.status == 201
    assert set(first.body) == FIELDS
    assert (first.body["position"], first.body["description"]) == (1, "Set up")
    assert (first.body["request"], first.body["status"]) == (CONFIG, "PENDING")
    assert (first.body["response"], first.body["error"]) == (None, None)
    assert (first.body["attempt"], first.body["deliveries"]) == (0, 0)
    second = cast.editor.post(path, {"request": FINISHED, "description": ""}).body
    assert second["position"] == 2
    assert cast.viewer.get(path).body["items"] == [first.body, second]
    assert cast.viewer.get(f"{path}/{second['id']}").body == second


def test_every_type_is_taken_and_its_secrets_are_masked(cast: Cast, path: str) -> None:
    pem = authority().pem
    requests: list[dict[str, Any]] = [
        KEYGEN,
        {"cloudAccessKeyGeneration": {"secTag": 2}},
        {"certificateSigningRequest": {"secTag": 1, "attributes": "CN=x", "keyUsage": "101000000"}},
        {"serverCertificate": {"secTag": 1, "content": pem}},
        {"clientCertificate": {"secTag": 1, "content": pem}},
        {"clientPrivateKey": {"secTag": 1, "content": encrypted_key(), "password": SESAME}},
        PSK,
        CONFIG,
        FINISHED,
    ]
    made = cast.editor.post(f"{path}/batch", {"commands": [{"request": r} for r in requests]})
    assert made.status == 201, made.body
    shown = [command["request"] for command in made.body["items"]]
    assert shown[5] == {"clientPrivateKey": {"secTag": 1, "content": "***", "password": "***"}}
    assert shown[6] == {"preSharedKey": {"secTag": 7, "identity": "pump", "secret": "***"}}
    for place in (0, 1, 2, 3, 4, 7, 8):
        assert shown[place] == requests[place]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["request"]),
        ({"request": None}, ["request"]),
        ({"request": []}, ["request"]),
        ({"request": {}}, ["request"]),
        ({"request": {**CONFIG, **FINISHED}}, ["request"]),
        ({"request": {"reboot": {}}}, ["request"]),
        ({"request": {"config": {}}}, ["request.config"]),
        ({"request": {"config": {"a": 1}}}, ["request.config"]),
        ({"request": {"finished": {"a": 1}}}, ["request.finished.a"]),
        ({"request": {"preSharedKey": 7}}, ["request.preSharedKey"]),
        (
            {"request": {"preSharedKey": {"secTag": -1, "identity": "", "secret": "abc"}}},
            [f"request.preSharedKey.{name}" for name in ("identity", "secTag", "secret")],
        ),
        (
            {"request": {"serverCertificate": {"secTag": 1, "content": "x"}}},
            ["request.serverCertificate.content"],
        ),
        (
            {"request": {"clientPrivateKey": {"secTag": 1, "content": encrypted_key(), "password": "no"}}},
            ["request.clientPrivateKey.password"],
        ),
        ({"request": CONFIG, "description": 7}, ["description"]),
        ({"request": CONFIG, "description": "x" * 201}, ["description"]),
        ({"request": CONFIG, "description": "a\nb"}, ["description"]),
        ({"request": CONFIG, "issue": {}}, ["issue"]),
        ({"request": CONFIG, "id": unknown()}, ["id"]),
        ({"commands": []}, ["commands", "request"]),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_put(
    cast: Cast, path: str, body: object, fields: list[str]
) -> None:
    answer = cast.editor.post(path, body)
    assert (answer.status, answer.body["code"], answer.fields) == (400, "INVALID", fields)
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["commands"]),
        ({"commands": {}}, ["commands"]),
        ({"commands": []}, ["commands"]),
        ({"commands": [{"request": CONFIG}] * 21}, ["commands"]),
        ({"commands": [7]}, ["commands[0]"]),
        ({"commands": [{"request": {"config": {}}}]}, ["commands[0].request.config"]),
        ({"commands": [{"request": CONFIG}, {}]}, ["commands[1].request"]),
        ({"commands": [{"request": CONFIG}, {"request": CONFIG, "x": 1}]}, ["commands[1].x"]),
        (
            {"commands": [{"request": CONFIG}, {"request": {"x": {}}}, {"request": {"config": {}}}]},
            ["commands[1].request", "commands[2].request.config"],
        ),
    ],
)
def test_a_batch_is_put_whole_or_not_at_all(cast: Cast, path: str, body: object, fields: list[str]) -> None:
    answer = cast.editor.post(f"{path}/batch", body)
    assert (answer.status, answer.fields) == (400, fields)
    assert not Command.objects.exists()


def test_twenty_fit_and_no_more(cast: Cast, path: str) -> None:
    full = cast.editor.post(f"{path}/batch", {"commands": [{"request": CONFIG}] * 20})
    assert [command["position"] for command in full.body["items"]] == list(range(1, 21))
    answer = cast.editor.post(path, {"request": FINISHED})
    assert (answer.status, answer.body["code"]) == (409, "QUEUE_FULL")
    assert "delete or skip" in answer.message


def test_a_response_comes_when_the_device_answered(cast: Cast, path: str, board: Board) -> None:
    ids = cast.editor.commands(board.id, KEYGEN, CONFIG)
    served = board.pull()
    pem = public_pem(p256())
    assert cast.viewer.get(f"{path}/{ids[0]}").body["response"] is None
    assert cast.viewer.get(f"{path}/{ids[0]}").body["status"] == "IN_PROGRESS"
    board.answer(
        {"id": served[0]["id"], "ok": True, "value": {"publicKey": pem}}, {"id": served[1]["id"], "ok": True}
    )
    first, second = cast.viewer.get(path).body["items"]
    assert first["response"] == {"clientPrivateKeyGeneration": {"publicKey": pem}}
    assert second["response"] == {"config": {}}
    assert first["status"] == second["status"] == "SUCCEEDED"
    assert first["deliveries"] == 1
    assert first["createdAt"] <= first["servedAt"] <= first["closedAt"]


def test_a_failure_tells_the_devices_own_words(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, KEYGEN)
    board.fail(600, "no entropy")
    shown = cast.viewer.get(f"{path}/{command}").body
    assert (shown["status"], shown["response"]) == (
        "FAILED",
        {"clientPrivateKeyGeneration": {"message": "no entropy"}},
    )
    assert shown["error"] == {"code": "DEVICE_ERROR", "message": "no entropy", "deviceCode": 600}


def test_a_modems_number_comes_with_a_sentence_on_what_to_do(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, KEYGEN)
    board.fail(523, "+CME ERROR: 523")
    error = cast.viewer.get(f"{path}/{command}").body["error"]
    assert (error["deviceCode"], "restart the device" in error["message"]) == (523, True)


def test_a_value_that_does_not_hold_is_kept_to_be_seen(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, KEYGEN)
    board.answer({"id": board.pull()[0]["id"], "ok": True, "value": {"publicKey": "nonsense"}})
    shown = cast.viewer.get(f"{path}/{command}").body
    assert shown["response"]["clientPrivateKeyGeneration"]["publicKey"] == "nonsense"
    assert shown["response"]["clientPrivateKeyGeneration"]["message"] == shown["error"]["message"]
    assert set(shown["error"]) == {"code", "message"}
    assert shown["error"]["code"] == "BAD_RESULT"


def test_a_skipped_command_says_so_and_keeps_its_error(cast: Cast, path: str, board: Board) -> None:
    failed, waiting = cast.editor.commands(board.id, CONFIG, CONFIG)
    board.fail()
    shown = cast.editor.post(f"{path}/{failed}/skip")
    assert (shown.status, shown.body["status"]) == (200, "SKIPPED")
    assert shown.body["response"] == {"config": {"message": "no"}}
    assert shown.body["error"]["code"] == "DEVICE_ERROR"
    shown = cast.editor.post(f"{path}/{waiting}/skip", {})
    assert (shown.body["response"], shown.body["error"]) == (
        {"config": {"message": "Its owner skipped it."}},
        None,
    )
    again = cast.editor.post(f"{path}/{waiting}/skip")
    assert (again.status, again.body["code"]) == (409, "ILLEGAL_TRANSITION")


def test_only_a_pending_command_is_deleted(cast: Cast, path: str, board: Board) -> None:
    first, second = cast.editor.commands(board.id, CONFIG, CONFIG)
    board.pull(limit=1)
    answer = cast.editor.delete(f"{path}/{first}")
    assert (answer.status, answer.body["code"]) == (409, "ILLEGAL_TRANSITION")
    assert "Skip it instead" in answer.message
    assert cast.editor.delete(f"{path}/{second}").status == 204
    gone = cast.editor.delete(f"{path}/{second}")
    assert (gone.status, "GET …/provisioning" in gone.message) == (404, True)
    assert cast.viewer.get(f"{path}/{second}").status == 404


def test_a_reset_command_is_a_new_attempt(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, CONFIG)
    board.fail()
    shown = cast.editor.post(f"{path}/{command}/reset")
    assert (shown.status, shown.body["status"], shown.body["attempt"]) == (200, "PENDING", 1)
    assert (shown.body["response"], shown.body["error"], shown.body["closedAt"]) == (None, None, None)
    assert board.pull()[0]["id"] == f"{command}.1"


def test_erased_secrets_are_needed_again(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, PSK)
    board.do_all()
    answer = cast.editor.post(f"{path}/{command}/reset")
    assert (answer.status, answer.body["code"], answer.fields) == (409, "SECRETS_NEEDED", ["secrets"])
    assert "secret" in answer.message
    for wrong, field in (
        ({"secret": "abc"}, "secrets.secret"),
        ({"secret": None}, "secrets.secret"),
        ({}, "secrets"),
        ({"secret": "00" * 16, "x": "y"}, "secrets"),
        ([], "secrets"),
        (None, "secrets"),
    ):
        refused = cast.editor.post(f"{path}/{command}/reset", {"secrets": wrong})
        assert (refused.status, refused.fields) == (400, [field]), wrong
    assert cast.editor.post(f"{path}/{command}/reset", {"secrets": {"secret": "1f" * 16}}).status == 200
    assert board.pull()[0]["params"]["secret"] == "1f" * 16


def test_secrets_of_a_command_without_any_are_refused(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, CONFIG)
    answer = cast.editor.post(f"{path}/{command}/reset", {"secrets": {"secret": "00" * 16}})
    assert (answer.status, answer.fields) == (400, ["secrets"])


def test_a_whole_run_is_done_again(cast: Cast, path: str, board: Board) -> None:
    ids = cast.editor.commands(board.id, CONFIG, PSK, FINISHED)
    board.do_all()
    assert cast.viewer.get(path).body["items"] == []
    needed = cast.editor.post(f"{path}/reset")
    assert (needed.status, needed.fields) == (409, [f"secrets.{ids[1]}"])
    wrong = cast.editor.post(f"{path}/reset", {"secrets": {ids[1]: {"secret": "z"}}})
    assert (wrong.status, wrong.fields) == (400, [f"secrets.{ids[1]}.secret"])
    for odd, field in (({"x": {}}, "secrets.x"), ({ids[1]: 7}, f"secrets.{ids[1]}"), ([], "secrets")):
        refused = cast.editor.post(f"{path}/reset", {"secrets": odd})
        assert (refused.status, refused.fields) == (400, [field]), odd
    assert Device.objects.get().status == "PROVISIONED"
    done = cast.editor.post(f"{path}/reset", {"secrets": {ids[1]: {"secret": "1f" * 16}}})
    assert done.status == 200
    assert [(c["id"], c["status"], c["attempt"]) for c in done.body["items"]] == [
        (command, "PENDING", 1) for command in ids
    ]
    assert cast.viewer.get(path).body["items"] == done.body["items"]


def test_commands_of_a_closed_run_stay_as_they_are(cast: Cast, path: str, board: Board) -> None:
    first = cast.editor.commands(board.id, CONFIG, FINISHED)
    board.do_all()
    cast.editor.commands(board.id, CONFIG)
    for verb in ("reset", "skip"):
        answer = cast.editor.post(f"{path}/{first[0]}/{verb}")
        assert (answer.status, answer.body["code"]) == (409, "RUN_CLOSED")
    assert cast.editor.delete(f"{path}/{first[0]}").status == 409
    assert cast.viewer.get(f"{path}/{first[0]}").body["status"] == "SUCCEEDED"


def test_a_command_is_found_only_at_its_own_device(cast: Cast, path: str, board: Board) -> None:
    (command,) = cast.editor.commands(board.id, CONFIG)
    other = f"{DEVICES}/{cast.editor.device()}/provisioning/{command}"
    assert cast.viewer.get(other).status == 404
    assert cast.editor.post(f"{other}/skip").status == 404
    assert cast.editor.delete(other).status == 404


def test_a_run_that_is_none_cannot_be_asked_for(cast: Cast, path: str) -> None:
    assert cast.viewer.get(f"{path}?run=last").fields == ["run"]
