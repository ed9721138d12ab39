"""An owner sees what happened to a device, and what to do next (API.md, Devices)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.standalone.board import failed, ok
from tests.standalone.fleet import FINISHED, Device, config, preshared
from tests.standalone.rest import TIME


def timeline(device: Device) -> list[dict[str, Any]]:
    return device.owner.all(f"{device.path}/timeline")


def explained(device: Device) -> dict[str, Any]:
    body = dict(device.owner.get(f"{device.path}/explain").made())
    assert body["status"] == device.status
    assert body["why"]
    assert body["next"]
    return body


def test_everything_that_happened_is_told_newest_first(device: Device) -> None:
    one, two = device.add(config(), FINISHED)
    with device.board() as board:
        served = board.get()["commands"]
        board.results(failed(served[0]["id"], 3, "no room"))
        device.act(one, "reset").made()
        device.act(one, "skip").made()
        board.rejected("get", b"nonsense")
        board.results(*(ok(command["id"]) for command in board.get()["commands"]))
    device.owner.patch(device.path, {"name": "pump"}).made()
    device.owner.post(f"{device.path}/block").made()
    entries = timeline(device)
    assert [entry["kind"] for entry in entries] == (
        ["changed", "changed", "answered", "served", "refused", "changed", "changed", "answered", "served"]
        + ["changed"] * (len(entries) - 9)
    )
    times = [entry["at"] for entry in entries]
    assert times == sorted(times, reverse=True)
    assert all(TIME.fullmatch(time) for time in times)
    assert all(set(entry) <= {"at", "kind", "commandId", "data"} for entry in entries)
    text = str(entries)
    assert one in text
    assert two in text


def test_an_error_is_in_the_timeline_with_what_the_device_said(device: Device) -> None:
    (id,) = device.add(config())
    with device.board() as board:
        board.results(failed(board.get()["commands"][0]["id"], 513, "flash is worn out"))
    assert "flash is worn out" in str(timeline(device)) or "flash is worn out" in str(
        device.command(id)["error"]
    )


def test_a_timeline_has_pages_without_gaps(device: Device) -> None:
    for number in range(7):
        device.add(config(str(number)))
    whole = timeline(device)
    paged = device.owner.all(f"{device.path}/timeline", pageLimit=2)
    assert paged == whole
    assert len(whole) == 9


def test_no_secret_is_in_a_timeline(device: Device) -> None:
    (id,) = device.add(preshared(secret="c0ffee" * 8))
    with device.board() as board:
        board.results(failed(board.get()["commands"][0]["id"]))
        device.act(id, "reset", {"secrets": {"secret": "decade" * 8}}).made()
    text = str(timeline(device)) + str(explained(device))
    assert "c0ffee" not in text
    assert "decade" not in text
    assert device.secret not in text


def test_explain_speaks_of_every_status(new_device: Callable[..., Device]) -> None:
    device = new_device()
    assert explained(device)["commandId"] is None
    one, two, last = device.add(config(), config("c"), FINISHED)
    with device.board() as board:
        served = [command["id"] for command in board.get()["commands"]]
        assert explained(device)["commandId"] == one
        board.results(ok(served[0]))
        assert explained(device)["commandId"] == two
        board.results(failed(served[1], 513, "flash is worn out"))
        told = explained(device)
        assert (told["commandId"], told["since"] is not None) == (two, True)
        assert "flash is worn out" in told["why"] + told["next"]
        assert "reset" in told["next"].lower()
        assert "skip" in told["next"].lower()
        device.act(two, "skip").made()
        device.act(last, "skip").made()
        assert explained(device)["status"] == "AWAITING"
        assert "finished" in explained(device)["next"]
        device.add(FINISHED)
        board.results(ok(board.get()["commands"][0]["id"]))
        assert explained(device)["status"] == "PROVISIONED"
    device.owner.post(f"{device.path}/block").made()
    told = explained(device)
    assert (told["status"], "unblock" in told["next"].lower()) == ("BLOCKED", True)


@pytest.mark.parametrize("path", ["timeline", "explain", "provisioning", "credentials"])
def test_what_belongs_to_no_device_is_404(device: Device, path: str) -> None:
    device.owner.get(f"/v1/claimed-devices/00000000-0000-4000-8000-000000000000/{path}").refused(404)


def test_a_command_tells_its_times(device: Device) -> None:
    (id,) = device.add(config())
    made = device.command(id)
    assert TIME.fullmatch(made["createdAt"])
    assert (made["servedAt"], made["closedAt"]) == (None, None)
    with device.board() as board:
        correlation = board.get()["commands"][0]["id"]
        assert TIME.fullmatch(device.command(id)["servedAt"])
        board.results(ok(correlation))
    done = device.command(id)
    assert done["createdAt"] <= done["servedAt"] <= done["closedAt"]


def test_a_device_is_seen_when_it_makes_contact(device: Device) -> None:
    assert device.read()["lastSeenAt"] is None
    with device.board() as board:
        board.get()
    assert TIME.fullmatch(device.read()["lastSeenAt"])
