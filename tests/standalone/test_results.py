"""Each result gets its word in `accepted`, and what is stored is stored once (WIRE 3)."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standalone import material
from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, Device, config, key_generation, preshared

CSR = {"certificateSigningRequest": {"secTag": 1, "attributes": "CN=pump", "keyUsage": "101010000"}}


def word(accepted: dict[str, Any]) -> str:
    (found,) = accepted["results"].values()
    return str(found)


def served(board: Board) -> list[str]:
    return [command["id"] for command in board.get(limit=20)["commands"]]


def test_an_accepted_has_exactly_what_the_wire_says(device: Device, board: Board) -> None:
    device.add(config(), config("c"))
    first, _ = served(board)
    board.say("results", {"id": "r1", "results": [ok(first)]})
    assert board.next().body == {
        "id": "r1",
        "status": "PROVISIONING",
        "results": {first: "stored"},
        # The second was served, and a `get` now would bring it again.
        "pending": 1,
    }


def test_no_results_at_all_are_accepted(device: Device, board: Board) -> None:
    assert board.results()["results"] == {}


def test_a_result_is_stored_and_then_a_duplicate(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (correlation,) = served(board)
    assert [word(board.results(ok(correlation))) for _ in range(3)] == ["stored", "duplicate", "duplicate"]
    assert device.command(id)["status"] == "SUCCEEDED"


def test_a_failure_is_stored_with_code_and_message_and_then_a_duplicate(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (correlation,) = served(board)
    bad = failed(correlation, 513, "CME: ключ")
    assert [word(board.results(bad)) for _ in range(2)] == ["stored", "duplicate"]
    command = device.command(id)
    assert command["status"] == "FAILED"
    assert (command["error"]["code"], command["error"]["deviceCode"]) == ("DEVICE_ERROR", 513)
    assert "CME: ключ" in command["error"]["message"]


@pytest.mark.parametrize("code", [1, 5, 100, 999, 2**31 - 1, -(2**31), 0])
def test_any_int32_is_a_devices_code(device: Device, board: Board, code: int) -> None:
    (id,) = device.add(config())
    board.results(failed(served(board)[0], code, "m" * 1024))
    assert device.command(id)["error"]["deviceCode"] == code


def test_another_result_for_a_closed_command_is_a_conflict_and_the_first_stands(
    device: Device, board: Board
) -> None:
    one, two = device.add(config(), config("c"))
    first, second = served(board)
    board.results(ok(first), failed(second))
    accepted = board.results(failed(first), ok(second))
    assert accepted["results"] == {first: "conflict", second: "conflict"}
    assert device.states(one, two) == ["SUCCEEDED", "FAILED"]


def test_another_failure_for_a_failed_command_is_a_conflict(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (correlation,) = served(board)
    board.results(failed(correlation, 3, "no room"))
    assert word(board.results(failed(correlation, 5, "storage"))) == "conflict"
    assert device.command(id)["error"]["deviceCode"] == 3


def test_a_result_of_an_older_attempt_is_stale(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (old,) = served(board)
    device.act(id, "reset").made()
    assert word(board.results(ok(old))) == "stale"
    assert device.command(id)["status"] == "PENDING"
    (new,) = served(board)
    assert board.results(ok(old), ok(new))["results"] == {old: "stale", new: "stored"}


def test_a_result_for_a_skipped_command_is_skipped(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (correlation,) = served(board)
    device.act(id, "skip").made()
    assert word(board.results(ok(correlation))) == "skipped"
    assert device.command(id)["status"] == "SKIPPED"


def test_an_id_that_is_not_ours_is_unknown(
    new_device: Callable[..., Device], device: Device, board: Board
) -> None:
    other = new_device()
    (foreign,) = other.add(config())
    (own,) = device.add(config())
    served(board)
    strange = [
        "",
        "x",
        f"{uuid.uuid4()}.0",
        f"{foreign}.0",
        own,
        f"{own}.",
        f"{own}.zz",
        f"{own}.00",
        "x" * 64,
    ]
    strange += [
        f"{own}.-1",
        f"{own}.0.0",
        f"{own.upper()}.0",
        f" {own}.0",
        "é" * 45,
        f"{own}.7",
        f"{own}.0.s",
    ]
    for id in strange:
        assert board.results(ok(id))["results"] == {id: "unknown"}, id
    assert other.states(foreign) == ["PENDING"]
    assert device.states(own) == ["IN_PROGRESS"]


def test_a_result_for_a_command_that_was_never_served_changes_nothing(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    board.results(ok(f"{id}.0"))
    assert (device.command(id)["status"], device.status) == ("PENDING", "READY")


def test_a_result_for_a_deleted_command_is_unknown(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    device.owner.delete(f"{device.commands}/{id}")
    assert word(board.results(ok(f"{id}.0"))) == "unknown"


def test_finished_before_the_rest_is_early_and_not_stored(device: Device, board: Board) -> None:
    first, last = device.add(config(), FINISHED)
    one, two = served(board)
    assert word(board.results(ok(two))) == "early"
    assert device.states(first, last) == ["IN_PROGRESS", "IN_PROGRESS"]
    assert board.results(ok(two), ok(one))["results"] == {two: "early", one: "stored"}
    assert device.states(first, last) == ["SUCCEEDED", "IN_PROGRESS"]
    assert word(board.results(ok(two))) == "stored"
    assert device.status == "PROVISIONED"


def test_finished_behind_a_failure_is_early(device: Device, board: Board) -> None:
    first, last = device.add(config(), FINISHED)
    one, two = served(board)
    assert board.results(failed(one), ok(two))["results"] == {one: "stored", two: "early"}
    assert device.states(first, last) == ["FAILED", "PENDING"]


def test_finished_behind_a_skipped_command_succeeds(device: Device, board: Board) -> None:
    first, _ = device.add(config(), FINISHED)
    _, two = served(board)
    device.act(first, "skip").made()
    assert word(board.results(ok(two))) == "stored"
    assert device.status == "PROVISIONED"


def test_finished_can_fail_like_any_other(device: Device, board: Board) -> None:
    (last,) = device.add(FINISHED)
    assert board.results(failed(served(board)[0]))["status"] == "ERROR"
    assert device.states(last) == ["FAILED"]


def test_results_out_of_order_are_each_stored(device: Device, board: Board) -> None:
    ids = device.add(config("1"), config("2"), config("3"))
    one, two, three = served(board)
    assert word(board.results(ok(three))) == "stored"
    assert board.results(ok(two), ok(one))["results"] == {two: "stored", one: "stored"}
    assert device.states(*ids) == ["SUCCEEDED"] * 3


def test_a_failure_puts_what_was_served_behind_it_back(device: Device, board: Board) -> None:
    ids = device.add(config("1"), config("2"), config("3"), FINISHED)
    correlations = served(board)
    assert [device.command(id)["deliveries"] for id in ids] == [1, 1, 1, 1]
    board.results(ok(correlations[0]), failed(correlations[1]))
    assert device.states(*ids) == ["SUCCEEDED", "FAILED", "PENDING", "PENDING"]
    released = device.command(ids[2])
    assert (released["deliveries"], released["attempt"]) == (0, 0)


@pytest.mark.parametrize(("result", "state"), [(ok, "SUCCEEDED"), (failed, "FAILED")])
def test_a_released_command_still_takes_the_result_of_its_first_delivery(
    device: Device, board: Board, result: Callable[[str], dict[str, Any]], state: str
) -> None:
    first, second = device.add(config("1"), config("2"))
    one, two = served(board)
    board.results(failed(one))
    assert word(board.results(result(two))) == "stored"
    assert device.states(first, second) == ["FAILED", state]


def test_one_message_may_hold_a_result_twice(device: Device, board: Board) -> None:
    (id,) = device.add(config())
    (correlation,) = served(board)
    board.results(ok(correlation), ok(correlation))
    assert device.states(id) == ["SUCCEEDED"]


def test_secrets_are_gone_once_the_device_confirmed(device: Device, board: Board) -> None:
    (id,) = device.add(preshared())
    board.results(ok(served(board)[0]))
    body = device.act(id, "reset").refused(409, "SECRETS_NEEDED")
    assert "secret" in str(body)


def test_a_newer_key_of_the_same_attempt_replaces_the_first(device: Device, board: Board) -> None:
    (id,) = device.add(key_generation())
    (correlation,) = served(board)
    first, second = {"publicKey": material.public_key_pem()}, {"publicKey": material.public_key_pem()}
    assert word(board.results(ok(correlation, first))) == "stored"
    assert word(board.results(ok(correlation, first))) == "duplicate"
    assert word(board.results(ok(correlation, second))) == "stored"
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": second}
    assert word(board.results(failed(correlation))) == "conflict"
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": second}


def test_a_newer_request_replaces_the_first_too(device: Device, board: Board) -> None:
    (id,) = device.add(CSR)
    (correlation,) = served(board)
    first, second = {"csr": material.request_pem()}, {"csr": material.request_pem()}
    assert [word(board.results(ok(correlation, value))) for value in (first, second)] == ["stored", "stored"]
    assert device.command(id)["response"] == {"certificateSigningRequest": second}


def test_a_newer_key_after_the_run_ended_is_a_conflict(device: Device, board: Board) -> None:
    (id, _) = device.add(key_generation(), FINISHED)
    one, two = served(board)
    first = {"publicKey": material.public_key_pem()}
    board.results(ok(one, first), ok(two))
    assert word(board.results(ok(one, {"publicKey": material.public_key_pem()}))) == "conflict"
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": first}


def test_a_newer_cloud_access_key_is_the_one_that_counts(device: Device, board: Board) -> None:
    (id,) = device.add({"cloudAccessKeyGeneration": {"secTag": 7}})
    (correlation,) = served(board)
    for _ in range(2):
        value = {"publicKey": material.public_key_pem()}
        assert word(board.results(ok(correlation, value))) == "stored"
    assert device.command(id)["response"] == {"cloudAccessKeyGeneration": value}


BAD_VALUES: list[tuple[str, dict[str, Any], Callable[[], Any]]] = [
    ("a key that is none", key_generation(), lambda: {"publicKey": "nonsense"}),
    ("an empty key", key_generation(), lambda: {"publicKey": ""}),
    ("a request for a key", key_generation(), lambda: {"publicKey": material.request_pem()}),
    ("a private key", key_generation(), lambda: {"publicKey": material.plain_key_pem()}),
    ("a request that is none", CSR, lambda: {"csr": "nonsense"}),
    ("a forged request", CSR, lambda: {"csr": material.forged_request_pem()}),
    ("a certificate for a request", CSR, lambda: {"csr": material.leaf_pem()}),
    ("a text that is no modem's", CSR, lambda: "nonsense"),
    (
        "a forged request beside a key",
        key_generation(),
        lambda: {"publicKey": material.public_key_pem(), "csr": material.forged_request_pem()},
    ),
]


@pytest.mark.parametrize(
    ("request_", "value"), [case[1:] for case in BAD_VALUES], ids=[case[0] for case in BAD_VALUES]
)
def test_a_value_that_does_not_verify_fails_its_command(
    device: Device, board: Board, request_: dict[str, Any], value: Callable[[], Any]
) -> None:
    (id,) = device.add(request_)
    (correlation,) = served(board)
    sent = value()
    accepted = board.results(ok(correlation, sent))
    assert (word(accepted), accepted["status"]) == ("stored", "ERROR")
    command = device.command(id)
    assert (command["status"], command["error"]["code"]) == ("FAILED", "BAD_RESULT")
    # The value is kept for the owner to see (WIRE 3.5).
    if isinstance(sent, dict):
        (kept,) = command["response"].values()
        assert sent.items() <= kept.items()
    else:
        assert sent in str(command["response"])
    assert word(board.results(ok(correlation, sent))) == "duplicate"


@pytest.mark.parametrize("request_", [key_generation(), CSR])
def test_a_missing_value_fails_its_command(device: Device, board: Board, request_: dict[str, Any]) -> None:
    (id,) = device.add(request_)
    board.results(ok(served(board)[0]))
    command = device.command(id)
    assert (command["status"], command["error"]["code"]) == ("FAILED", "BAD_RESULT")


def test_a_modem_style_text_is_a_value(device: Device, board: Board) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (id,) = device.add(key_generation())
    text = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (der, b"\xd2\x84\x40\xa0\x40\x40")
    )
    board.results(ok(served(board)[0], text))
    assert device.command(id)["status"] in ("SUCCEEDED", "FAILED")


def test_a_reset_after_a_bad_value_lets_the_device_try_again(device: Device, board: Board) -> None:
    (id,) = device.add(key_generation())
    board.results(ok(served(board)[0], {"publicKey": "nonsense"}))
    device.act(id, "reset").made()
    (correlation,) = served(board)
    assert correlation == f"{id}.1"
    value = {"publicKey": material.public_key_pem()}
    assert word(board.results(ok(correlation, value))) == "stored"
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": value}
