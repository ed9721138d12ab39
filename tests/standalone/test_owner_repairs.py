"""What an owner may do to a list: the command table, by REST (DESIGN.md, Command states)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.standalone import material
from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, SECRET, Device, config, key_generation, preshared


def brought_to(device: Device, board: Board, state: str) -> str:
    """A command in this state, the first of its run."""
    (id,) = device.add(config())
    if state == "SKIPPED":
        device.act(id, "skip").made()
    elif state != "PENDING":
        correlation = board.get()["commands"][0]["id"]
        if state != "IN_PROGRESS":
            board.results(ok(correlation) if state == "SUCCEEDED" else failed(correlation))
    assert device.states(id) == [state]
    return id


@pytest.mark.parametrize("state", ["PENDING", "IN_PROGRESS", "SUCCEEDED", "FAILED", "SKIPPED"])
def test_a_reset_makes_any_command_a_new_attempt(device: Device, board: Board, state: str) -> None:
    id = brought_to(device, board, state)
    answer = device.act(id, "reset").made()
    assert (answer["status"], answer["attempt"], answer["deliveries"]) == ("PENDING", 1, 0)
    assert (answer["error"], answer["response"], answer["closedAt"]) == (None, None, None)
    assert [command["id"] for command in board.get()["commands"]] == [f"{id}.1"]


@pytest.mark.parametrize("state", ["PENDING", "IN_PROGRESS", "FAILED"])
def test_what_is_open_or_failed_can_be_skipped(device: Device, board: Board, state: str) -> None:
    id = brought_to(device, board, state)
    assert device.act(id, "skip").made()["status"] == "SKIPPED"
    assert board.get()["commands"] == []


@pytest.mark.parametrize("state", ["SUCCEEDED", "SKIPPED"])
def test_what_is_done_cannot_be_skipped(device: Device, board: Board, state: str) -> None:
    id = brought_to(device, board, state)
    device.act(id, "skip").refused(409)
    assert device.states(id) == [state]


@pytest.mark.parametrize("state", ["IN_PROGRESS", "SUCCEEDED", "FAILED", "SKIPPED"])
def test_only_a_pending_command_can_be_deleted(device: Device, board: Board, state: str) -> None:
    id = brought_to(device, board, state)
    device.owner.delete(f"{device.commands}/{id}").refused(409)
    assert device.states(id) == [state]


def test_a_deleted_command_is_gone(device: Device, board: Board) -> None:
    id = brought_to(device, board, "PENDING")
    answer = device.owner.delete(f"{device.commands}/{id}")
    assert (answer.status, answer.content) == (204, b"")
    device.owner.get(f"{device.commands}/{id}").refused(404)
    device.owner.delete(f"{device.commands}/{id}").refused(404)
    device.act(id, "reset").refused(404)
    device.act(id, "skip").refused(404)
    assert board.get()["commands"] == []


def test_skipping_erases_the_secret(device: Device) -> None:
    (id,) = device.add(preshared())
    device.act(id, "skip").made()
    device.act(id, "reset").refused(409, "SECRETS_NEEDED")


def test_a_reset_whose_secrets_are_gone_needs_them_again(device: Device, board: Board) -> None:
    psk, key = device.add(
        preshared(),
        {
            "clientPrivateKey": {
                "secTag": 1,
                "content": material.encrypted_key_pem(),
                "password": material.PASSWORD,
            }
        },
    )
    board.results(*(ok(command["id"]) for command in board.get()["commands"]))
    refused = device.act(psk, "reset").refused(409, "SECRETS_NEEDED")
    assert "secret" in str(refused["errors"] if "errors" in refused else refused["message"])
    refused = device.act(key, "reset").refused(409, "SECRETS_NEEDED")
    assert all(field in str(refused) for field in ("content", "password"))
    assert device.states(psk, key) == ["SUCCEEDED", "SUCCEEDED"]
    device.act(psk, "reset", {"secrets": {"secret": "ff" * 16}}).made()
    (served,) = board.get()["commands"]
    assert served["params"] == {"secTag": 1, "identity": "pump", "secret": "ff" * 16}


@pytest.mark.parametrize(
    "secrets",
    [
        {"secret": "odd"},
        {"secret": 7},
        {"secret": ""},
        {},
        {"password": "x"},
        {"secret": "ff" * 16, "x": "y"},
        [],
        "x",
        None,
        {"identity": "other", "secret": "ff" * 16},
        {"secret": "***"},
    ],
    ids=repr,
)
def test_wrong_secrets_do_not_reset(new_device: Callable[..., Device], secrets: Any) -> None:
    device = new_device()
    (id,) = device.add(preshared())
    device.act(id, "skip").made()
    answer = device.act(id, "reset", {"secrets": secrets})
    answer.refused(answer.status if answer.status in (400, 409) else 400)
    assert device.states(id) == ["SKIPPED"]


def test_new_secrets_may_replace_those_that_are_still_there(device: Device, board: Board) -> None:
    (id,) = device.add(preshared())
    device.act(id, "reset", {"secrets": {"secret": "ee" * 16}}).made()
    assert board.get()["commands"][0]["params"]["secret"] == "ee" * 16


def test_the_secret_of_a_failed_command_stays_for_a_reset(device: Device, board: Board) -> None:
    (id,) = device.add(preshared())
    board.results(failed(board.get()["commands"][0]["id"]))
    device.act(id, "reset").made()
    assert board.get()["commands"][0]["params"]["secret"] == SECRET


def test_secrets_for_a_command_without_any_are_refused(device: Device) -> None:
    (id,) = device.add(config())
    answer = device.act(id, "reset", {"secrets": {"secret": "ff" * 16}})
    answer.refused(answer.status if answer.status in (400, 409) else 400)


def closed_run(device: Device, board: Board, *requests: dict[str, Any]) -> list[str]:
    """A run that the device finished; the ids of its commands."""
    ids = device.add(*requests, FINISHED)
    values = {"clientPrivateKeyGeneration": {"publicKey": material.public_key_pem()}}
    results = [ok(command["id"], values.get(command["type"])) for command in board.get(limit=20)["commands"]]
    assert board.results(*results)["status"] == "PROVISIONED"
    return ids


def test_a_reset_in_the_last_closed_run_opens_it_with_its_finished(device: Device, board: Board) -> None:
    first, second, last = closed_run(device, board, config(), config("c"))
    device.act(first, "reset").made()
    assert device.states(first, second, last) == ["PENDING", "SUCCEEDED", "PENDING"]
    # The run is open again, some of it done: PROVISIONING, by the table.
    assert device.status == "PROVISIONING"
    served = board.get()["commands"]
    assert [command["id"] for command in served] == [f"{first}.1", f"{last}.1"]
    assert board.results(*(ok(command["id"]) for command in served))["status"] == "PROVISIONED"


def test_a_reset_of_finished_alone_opens_its_run(device: Device, board: Board) -> None:
    first, last = closed_run(device, board, config())
    device.act(last, "reset").made()
    assert device.states(first, last) == ["SUCCEEDED", "PENDING"]
    assert [command["type"] for command in board.get()["commands"]] == ["finished"]


def test_a_reset_in_a_run_that_something_stands_behind_is_refused(device: Device, board: Board) -> None:
    first, last = closed_run(device, board, config())
    device.add(config("next"))
    for id in (first, last):
        device.act(id, "reset").refused(409, "RUN_CLOSED")
    assert device.states(first, last) == ["SUCCEEDED", "SUCCEEDED"]


def test_a_reset_in_an_older_run_is_refused(device: Device, board: Board) -> None:
    (old, _), (new, _) = closed_run(device, board, config()), closed_run(device, board, config("c"))
    device.act(old, "reset").refused(409, "RUN_CLOSED")
    device.act(new, "reset").made()
    device.act(old, "reset").refused(409, "RUN_CLOSED")


def test_skipping_in_a_closed_run_is_refused(device: Device, board: Board) -> None:
    first, last = closed_run(device, board, config())
    for id in (first, last):
        device.act(id, "skip").refused(409)
    assert device.status == "PROVISIONED"


def test_reset_all_resets_the_current_run_whatever_its_states(device: Device, board: Board) -> None:
    ids = device.add(config("1"), config("2"), config("3"), config("4"))
    device.act(ids[3], "skip").made()
    served = board.get(limit=2)["commands"]
    board.results(ok(served[0]["id"]), failed(served[1]["id"]))
    assert device.states(*ids) == ["SUCCEEDED", "FAILED", "PENDING", "SKIPPED"]
    device.owner.post(f"{device.commands}/reset").made()
    # The run is without what was skipped, so that stays as it is.
    assert device.states(*ids) == ["PENDING", "PENDING", "PENDING", "SKIPPED"]
    assert device.status == "READY"
    assert [command["id"] for command in board.get()["commands"]] == [f"{id}.1" for id in ids[:3]]


def test_reset_all_of_an_empty_run_resets_the_last_closed_one(device: Device, board: Board) -> None:
    old = closed_run(device, board, config())
    new = closed_run(device, board, config("c"), key_generation())
    device.owner.post(f"{device.commands}/reset").made()
    assert device.states(*old) == ["SUCCEEDED", "SUCCEEDED"]
    assert device.states(*new) == ["PENDING"] * 3
    # A run was finished before, and of this one nothing was done.
    assert device.status == "PROVISIONED"


def test_reset_all_leaves_closed_runs_alone_while_there_is_a_current_one(
    device: Device, board: Board
) -> None:
    old = closed_run(device, board, config())
    (new,) = device.add(config("c"))
    device.owner.post(f"{device.commands}/reset").made()
    assert (device.states(*old), device.command(new)["attempt"]) == (["SUCCEEDED", "SUCCEEDED"], 1)


def test_reset_all_with_secrets_gone_is_all_or_nothing(device: Device, board: Board) -> None:
    first, psk, _ = closed_run(device, board, config(), preshared())
    refused = device.owner.post(f"{device.commands}/reset").refused(409, "SECRETS_NEEDED")
    assert psk in str(refused)
    assert device.states(first, psk) == ["SUCCEEDED", "SUCCEEDED"]
    body = {"secrets": {psk: {"secret": "aa" * 16}}}
    device.owner.post(f"{device.commands}/reset", body).made()
    assert device.states(first, psk) == ["PENDING", "PENDING"]
    assert board.get()["commands"][1]["params"]["secret"] == "aa" * 16


def test_reset_all_of_nothing_says_so_or_does_nothing(device: Device) -> None:
    answer = device.owner.post(f"{device.commands}/reset")
    assert answer.status in (200, 409)


def test_a_repair_is_never_refused_for_want_of_room(device: Device, board: Board) -> None:
    ids = device.add(*[config()] * 20)
    device.act(ids[0], "skip").made()
    device.add(config())
    device.act(ids[0], "reset").made()
    assert device.states(ids[0]) == ["PENDING"]
    device.owner.post(device.commands, {"request": config()}).refused(409, "QUEUE_FULL")


def test_a_run_has_at_most_200_commands(device: Device, board: Board) -> None:
    for _ in range(10):
        device.add(*[config()] * 20)
        board.results(*(ok(command["id"]) for command in board.get(limit=20)["commands"]))
    device.owner.post(device.commands, {"request": config()}).refused(409, "QUEUE_FULL")


def test_the_order_of_the_list_is_the_order_of_posting(device: Device) -> None:
    ids = [device.add(config(str(number)))[0] for number in range(5)]
    assert [command["id"] for command in device.listed()] == ids
    positions = [command["position"] for command in device.listed()]
    assert positions == sorted(set(positions))


def test_positions_are_never_renumbered(device: Device) -> None:
    ids = device.add(*[config()] * 3)
    before = device.command(ids[2])["position"]
    device.owner.delete(f"{device.commands}/{ids[0]}")
    (later,) = device.add(config())
    assert device.command(ids[2])["position"] == before
    assert device.command(later)["position"] > before


def test_another_devices_command_is_not_found_here(device: Device, new_device: Callable[..., Device]) -> None:
    (foreign,) = new_device().add(config())
    for answer in (
        device.owner.get(f"{device.commands}/{foreign}"),
        device.owner.delete(f"{device.commands}/{foreign}"),
        device.act(foreign, "reset"),
        device.act(foreign, "skip"),
    ):
        answer.refused(404)


def test_a_repair_that_opens_more_than_one_answer_holds_is_served_to_its_end(
    device: Device, board: Board
) -> None:
    ids = []
    for last in ([], [FINISHED]):
        ids += device.add(*[config()] * 13, *last)
        board.results(*(ok(command["id"]) for command in board.get(limit=20)["commands"]))
    assert device.status == "PROVISIONED"
    device.owner.post(f"{device.commands}/reset").made()
    assert device.read()["pendingCommands"] == 27
    while commands := board.get(limit=20)["commands"]:
        board.results(*(ok(command["id"]) for command in commands))
    assert device.status == "PROVISIONED"
    assert {command["attempt"] for command in device.listed(run="all")} == {1}
    assert set(device.states(*ids)) == {"SUCCEEDED"}
