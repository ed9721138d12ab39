"""One `get` a second a device, bursts of ten; past that it is told how long to wait (WIRE 10)."""

import time
from collections.abc import Callable

from tests.standalone.board import ok
from tests.standalone.fleet import Device, config


def test_the_eleventh_get_at_once_is_throttled_and_served_after_the_time_it_was_told(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        words = [board.ask("get", {}).word for _ in range(10)]
        assert words == ["commands"] * 10
        down = board.ask("get", {"id": "one too many"})
        body = down.body
        assert (down.word, body["code"], body["id"]) == ("rejected", "THROTTLED", "one too many")
        assert 0 < body["retryAfter"] <= 2
        time.sleep(body["retryAfter"])
        assert board.ask("get", {}).word == "commands"


def test_results_are_taken_while_gets_are_throttled(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        correlation = board.get()["commands"][0]["id"]
        for _ in range(12):
            board.ask("get", {})
        assert board.results(ok(correlation))["results"] == {correlation: "stored"}


def test_one_device_that_asks_too_often_does_not_slow_another(new_device: Callable[..., Device]) -> None:
    greedy, good = new_device(), new_device()
    good.add(config())
    with greedy.board() as loud, good.board() as board:
        for number in range(100):
            loud.say("get", {"id": str(number)})
        begin = time.monotonic()
        assert len(board.get()["commands"]) == 1
        assert time.monotonic() - begin < 2


def test_many_refusals_are_one_line_of_the_timeline(device: Device) -> None:
    with device.board() as board:
        for _ in range(25):
            board.ask("get", {})
    refused = [entry for entry in device.owner.all(f"{device.path}/timeline") if entry["kind"] == "refused"]
    assert len(refused) <= 2, refused
    assert sum(entry["data"]["count"] for entry in refused) >= 13
