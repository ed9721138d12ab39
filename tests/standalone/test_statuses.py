"""A device's status follows from its list and its blocked flag alone (DESIGN.md, Device status)."""

from collections.abc import Callable

import pytest

from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, Device, config


def test_a_new_device_is_ready(device: Device) -> None:
    assert device.status == "READY"


def test_adding_commands_does_not_move_a_device(device: Device) -> None:
    device.add(config(), FINISHED)
    assert device.status == "READY"


def test_a_pull_without_commands_does_not_move_a_device(device: Device, board: Board) -> None:
    answer = board.get()
    assert (answer["status"], answer["commands"], answer["pending"]) == ("READY", [], 0)
    assert device.status == "READY"


def test_a_pull_moves_a_ready_device_to_provisioning(device: Device, board: Board) -> None:
    device.add(config(), FINISHED)
    assert board.get()["status"] == "PROVISIONING"
    assert device.status == "PROVISIONING"


def test_a_list_done_without_finished_is_awaiting(device: Device, board: Board) -> None:
    device.add(config())
    served = board.get()["commands"]
    assert board.results(ok(served[0]["id"]))["status"] == "AWAITING"
    assert device.status == "AWAITING"
    answer = board.get()
    assert (answer["status"], answer["commands"], answer["pending"]) == ("AWAITING", [], 0)


def test_a_command_for_an_awaiting_device_makes_it_provisioning(device: Device, board: Board) -> None:
    device.add(config())
    board.results(ok(board.get()["commands"][0]["id"]))
    device.add(FINISHED)
    assert device.status == "PROVISIONING"


def test_finished_makes_a_device_provisioned(device: Device, board: Board) -> None:
    device.add(config(), FINISHED)
    served = board.get()["commands"]
    answer = board.results(*(ok(command["id"]) for command in served))
    assert (answer["status"], answer["pending"]) == ("PROVISIONED", 0)
    assert device.status == "PROVISIONED"
    answer = board.get()
    assert (answer["status"], answer["commands"], answer["pending"]) == ("PROVISIONED", [], 0)


def test_a_provisioned_device_moves_when_it_pulls_and_not_when_commands_are_added(
    device: Device, board: Board
) -> None:
    device.add(FINISHED)
    board.results(ok(board.get()["commands"][0]["id"]))
    device.add(config())
    assert device.status == "PROVISIONED"
    served = board.get()
    assert served["status"] == "PROVISIONING"
    assert board.results(ok(served["commands"][0]["id"]))["status"] == "AWAITING"


def test_a_failure_is_an_error_in_which_nothing_is_served(device: Device, board: Board) -> None:
    first, second = device.add(config(), config("c"))
    answer = board.results(failed(board.get()["commands"][0]["id"]))
    assert (answer["status"], answer["pending"]) == ("ERROR", 0)
    answer = board.get()
    assert (answer["status"], answer["commands"], answer["pending"]) == ("ERROR", [], 0)
    assert device.states(first, second) == ["FAILED", "PENDING"]
    device.add(config("d"))
    assert device.status == "ERROR"


def test_skipping_the_failure_lets_a_device_go_on(device: Device, board: Board) -> None:
    first, _ = device.add(config(), config("c"))
    board.results(failed(board.get()["commands"][0]["id"]))
    assert device.act(first, "skip").made()["status"] == "SKIPPED"
    # What is left was put back to PENDING, and none of it was done: as if the device had never begun.
    assert device.status == "READY"
    assert [command["params"] for command in board.get()["commands"]] == [{"c": "b"}]


def test_resetting_the_failure_makes_a_device_ready_again(device: Device, board: Board) -> None:
    (first,) = device.add(config())
    board.results(failed(board.get()["commands"][0]["id"]))
    device.act(first, "reset").made()
    assert device.status == "READY"


def test_a_list_of_skipped_commands_is_as_if_it_were_not_there(device: Device) -> None:
    (first,) = device.add(config())
    device.act(first, "skip").made()
    assert device.status == "READY"


def test_deleting_the_last_open_command_of_a_half_done_list_leaves_it_awaiting(
    device: Device, board: Board
) -> None:
    _, second = device.add(config(), config("c"))
    board.results(ok(board.get(limit=1)["commands"][0]["id"]))
    assert device.status == "PROVISIONING"
    assert device.owner.delete(f"{device.commands}/{second}").status == 204
    assert device.status == "AWAITING"


@pytest.mark.parametrize("before", ["READY", "PROVISIONING", "AWAITING", "PROVISIONED", "ERROR"])
def test_blocking_hides_any_status_and_unblocking_brings_it_back(
    new_device: Callable[..., Device], before: str
) -> None:
    device = new_device()
    if before != "READY":
        device.add(FINISHED if before == "PROVISIONED" else config())
        with device.board() as board:
            served = board.get()["commands"][0]["id"]
            if before != "PROVISIONING":
                board.results(failed(served) if before == "ERROR" else ok(served))
    assert device.status == before
    device.owner.post(f"{device.path}/block").made()
    assert device.status == "BLOCKED"
    device.owner.post(f"{device.path}/unblock").made()
    assert device.status == before


def test_a_second_run_begins_after_finished(device: Device, board: Board) -> None:
    for _ in range(3):
        device.add(config(), FINISHED)
        served = board.get()["commands"]
        assert [command["type"] for command in served] == ["config", "finished"]
        assert board.results(*(ok(command["id"]) for command in served))["status"] == "PROVISIONED"
    assert device.listed() == []
    assert len(device.listed(run="all")) == 6
