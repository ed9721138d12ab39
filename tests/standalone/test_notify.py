"""A device hears at once when there is work for it (WIRE 5)."""

import queue
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.standalone.board import Board, failed, ok
from tests.standalone.fleet import FINISHED, Device, config


def notified(board: Board, within: float = 3.0) -> dict[str, Any]:
    down = board.next(within, words=("notify",))
    assert down.topic == f"prov/v1/{board.id}/notify"
    assert (down.retain, down.qos) == (False, 1)
    return dict(down.body)


def silent(board: Board, seconds: float) -> bool:
    return [down for down in board.silence(seconds) if down.word == "notify"] == []


def test_adding_a_command_notifies(device: Device) -> None:
    with device.board() as board:
        device.add(config(), FINISHED)
        body = notified(board)
        assert body["pending"] == 2
        assert isinstance(body["within"], int | float)
        assert 0 <= body["within"] <= 60
        assert set(body) == {"pending", "within"}


def test_many_changes_notify_at_most_once_a_second_and_the_last_is_told(device: Device) -> None:
    with device.board() as board:
        for number in range(8):
            device.add(config(str(number)))
        found = [down for down in board.silence(2.5) if down.word == "notify"]
        assert 1 <= len(found) <= 3
        assert all(later.at - sooner.at > 0.9 for sooner, later in pairwise(found))
        assert found[-1].body["pending"] == 8


@pytest.mark.parametrize("what", ["reset", "skip"])
def test_a_repair_that_gives_work_notifies(device: Device, what: str) -> None:
    first, _ = device.add(config(), config("c"))
    with device.board() as board:
        board.results(failed(board.get()["commands"][0]["id"]))
        board.silence(1.1)
        device.act(first, what).made()
        assert notified(board)["pending"] == (2 if what == "reset" else 1)


def test_a_device_in_error_is_not_called_for_what_it_may_not_do(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        board.results(failed(board.get()["commands"][0]["id"]))
        board.silence(1.1)
        device.add(config("later"))
        assert silent(board, 1.1)


def test_a_result_does_not_notify(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        board.results(ok(board.get()["commands"][0]["id"]))
        assert silent(board, 0.6)


def test_a_notify_is_for_its_device_alone(device: Device, new_device: Callable[..., Device]) -> None:
    other = new_device()
    with other.board() as bystander:
        device.add(config())
        with pytest.raises(queue.Empty):
            bystander.next(0.5, words=("notify",))
