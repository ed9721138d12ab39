"""Who is blocked gets nothing and is not heard; a credential that is gone lets nobody in (API.md, Devices)."""

import time

import pytest

from tests.standalone.board import Refused, ok
from tests.standalone.fleet import Device, config, until_let_in

# Seconds in which a live session ends (API.md, block).
LIVE = 2.0


def password(device: Device, **fields: object) -> dict[str, str]:
    made = device.owner.post(f"{device.path}/credentials", {"kind": "password"} | fields).made()
    return dict(made)


def test_blocking_ends_the_live_session_within_two_seconds(device: Device) -> None:
    with device.board() as board:
        begin = time.monotonic()
        device.owner.post(f"{device.path}/block").made()
        lost = board.wait_until_lost(LIVE + 2)
        assert lost is not None
        assert lost - begin <= LIVE


def test_blocking_ends_every_session_of_the_device_and_no_other(device: Device, new_device: object) -> None:
    assert callable(new_device)
    other = new_device()
    boards = [device.board(client_id=f"{device.id}{suffix}").connect() for suffix in ("", "-a", "-b")]
    with other.board() as neighbour:
        device.owner.post(f"{device.path}/block").made()
        assert all(board.wait_until_lost(LIVE) is not None for board in boards)
        assert neighbour.get()["status"] == "READY"
    for board in boards:
        board.close()


def test_a_blocked_device_is_not_let_in_or_gets_nothing(device: Device) -> None:
    (id,) = device.add(config())
    device.owner.post(f"{device.path}/block").made()
    try:
        with device.board() as board:
            body = board.rejected("get", {"id": "1"})
            assert body["code"] == "BLOCKED"
    except Refused:
        pass
    assert (device.status, device.states(id)) == ("BLOCKED", ["PENDING"])


def test_what_a_blocked_device_says_is_not_stored_and_is_taken_after_unblocking(device: Device) -> None:
    (id,) = device.add(config())
    board = device.board().connect()
    correlation = board.get()["commands"][0]["id"]
    device.owner.post(f"{device.path}/block").made()
    board.client.publish(
        f"prov/v1/{device.id}/json/results",
        b'{"results": [{"id": "%s", "ok": true}]}' % correlation.encode(),
        1,
    )
    board.wait_until_lost(LIVE)
    board.close()
    # What was already under way is settled before the device is let in again.
    time.sleep(0.3)
    assert device.states(id) == ["IN_PROGRESS"]
    # It listens below its own id, so it hears its own `results` too.
    heard = [down for down in board.silence(0) if down.word in ("commands", "accepted", "rejected")]
    assert all(down.word == "rejected" and down.body["code"] == "BLOCKED" for down in heard)
    device.owner.post(f"{device.path}/unblock").made()
    again = until_let_in(device)
    assert again.results(ok(correlation))["results"] == {correlation: "stored"}
    again.close()


def test_a_device_is_let_in_again_soon_after_unblocking(device: Device) -> None:
    device.owner.post(f"{device.path}/block").made()
    device.owner.post(f"{device.path}/unblock").made()
    board = until_let_in(device)
    assert board.get()["status"] == "READY"
    board.close()


def test_blocking_twice_is_no_error(device: Device) -> None:
    for what in ("block", "block", "unblock", "unblock"):
        answer = device.owner.post(f"{device.path}/{what}")
        assert answer.status in (200, 409)
    assert device.status == "READY"


def test_a_new_password_ends_the_old_one_at_once(device: Device) -> None:
    with device.board() as board:
        new = password(device)
        assert board.wait_until_lost(LIVE) is not None
    with pytest.raises(Refused):
        device.board().connect()
    until_let_in(Device(device.owner, device.id, new["secret"], device.mqtt)).close()


def test_with_an_overlap_both_passwords_work(device: Device) -> None:
    with device.board() as board:
        new = password(device, overlap=60)
        assert board.wait_until_lost(0.5) is None
        newer = Device(device.owner, device.id, new["secret"], device.mqtt)
        newer.board(client_id=f"{device.id}-new").connect().close()
        assert board.get()["status"] == "READY"
    device.board().connect().close()


def test_an_overlap_ends_and_with_it_the_session_of_the_old_password(device: Device) -> None:
    with device.board() as board:
        password(device, overlap=1)
        assert board.wait_until_lost(0.5) is None
        assert board.wait_until_lost(0.5 + LIVE) is not None
    with pytest.raises(Refused):
        device.board().connect()


def test_a_revoked_password_ends_the_live_session(device: Device) -> None:
    (credential,) = device.owner.all(f"{device.path}/credentials")
    with device.board() as board:
        assert device.owner.delete(f"{device.path}/credentials/{credential['id']}").status == 204
        assert board.wait_until_lost(LIVE) is not None
    with pytest.raises(Refused):
        device.board().connect()
    assert device.owner.all(f"{device.path}/credentials") == []


def test_a_secret_is_shown_once_and_is_long(device: Device) -> None:
    made = password(device)
    assert len(made["secret"]) >= 27
    for path in (f"{device.path}/credentials", f"{device.path}/timeline", device.path):
        assert made["secret"] not in device.owner.get(path).content.decode()


def test_a_deleted_device_is_gone_and_its_session_ends(device: Device) -> None:
    (id,) = device.add(config())
    with device.board() as board:
        answer = device.owner.delete(device.path)
        assert (answer.status, answer.content) == (204, b"")
        assert board.wait_until_lost(LIVE) is not None
    for path in (device.path, device.commands, f"{device.commands}/{id}", f"{device.path}/timeline"):
        device.owner.get(path).refused(404)
    with pytest.raises(Refused):
        device.board().connect()
