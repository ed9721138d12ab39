"""Mosquitto never reads half a file, an older one never takes a newer one's place, and nobody else reads a hash."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from commands import services
from devices.models import OutboxRow
from devices.outbox import Kind
from provisioning import outbox
from provisioning.mosquitto import MosquittoFiles
from tests.mosquitto.clients import refused
from tests.mosquitto.conftest import PASSWORD, Installation, Owned
from tests.pipeline.cast import WHO

pytestmark = pytest.mark.django_db(transaction=True)

FILES = ("acl_file", "crl.pem", "device_ca.pem", "password_file")


def write(folder: Path) -> str:
    return str(call_command("mosquitto_files", str(folder)))


def users(folder: Path) -> dict[str, str]:
    lines = (folder / "password_file").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def block(owned: Owned) -> None:
    services.block(owned.device.tenant_id, owned.device.id, WHO)


def test_they_hold_who_may_sign_in(
    tmp_path: Path, healthy: Owned, neighbour: Owned, new: Callable[[], Owned]
) -> None:
    block(new())
    write(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == set(FILES), "whoever may write here can write anew"
    assert users(tmp_path).keys() == {"gateway", healthy.id, neighbour.id}
    text = "".join((tmp_path / name).read_text() for name in FILES)
    assert [secret for secret in (PASSWORD, healthy.password, neighbour.password) if secret in text] == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_they_are_for_their_owner_and_its_group(tmp_path: Path, healthy: Owned, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path)
        write(tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in FILES} == {0o640}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_that_was_given_to_them_stays(tmp_path: Path, healthy: Owned) -> None:
    write(tmp_path)
    for name in FILES:
        os.chown(tmp_path / name, -1, 12_345)
    write(tmp_path)
    assert {(tmp_path / name).stat().st_gid for name in FILES} == {12_345}


def test_a_reader_always_sees_a_whole_one(tmp_path: Path, new: Callable[[], Owned]) -> None:
    fleet = [new() for _ in range(8)]
    write(tmp_path)
    over = threading.Event()
    seen: list[set[int]] = [set()]

    def read() -> None:
        while not over.is_set():
            seen[0].add(len((tmp_path / "password_file").read_bytes().splitlines()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(60):
            write(tmp_path)
    finally:
        over.set()
        reader.join()
    assert seen[0] == {len(fleet) + 1}


def test_an_older_one_never_takes_the_place_of_a_newer_one(
    tmp_path: Path, healthy: Owned, neighbour: Owned
) -> None:
    """One writer has read the database and hesitates; meanwhile a device is blocked and another one writes."""
    has_read, go_on = threading.Event(), threading.Event()

    def hesitate(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if "devices_credential" in sql:
            has_read.set()
            go_on.wait(1)
        return answer

    def write_slowly() -> None:
        with connection.execute_wrapper(hesitate):
            MosquittoFiles(tmp_path).write()
        connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    assert has_read.wait(10)
    block(healthy)
    MosquittoFiles(tmp_path).write()
    go_on.set()
    slow.join()
    assert users(tmp_path).keys() == {"gateway", neighbour.id}


def test_a_failure_leaves_nothing_behind(tmp_path: Path, healthy: Owned) -> None:
    write(tmp_path)
    before = {entry.name for entry in tmp_path.iterdir()}
    (tmp_path / "password_file").unlink()
    (tmp_path / "password_file").mkdir()
    (tmp_path / "password_file" / "in the way").touch()
    with pytest.raises(CommandError, match="password_file"):
        write(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == before


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1", "mqtt://gateway@127.0.0.1"])
def test_without_a_service_user_nobody_is_let_in_and_the_command_says_why(
    tmp_path: Path, settings: Settings, url: str
) -> None:
    settings.MQTT_URL = url
    with pytest.raises(CommandError, match="user and password"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_cannot_be_told_is_told_later(
    tmp_path: Path, healthy: Owned, neighbour: Owned, settings: Settings
) -> None:
    """The files are right already; the row waits until Mosquitto has read them."""
    settings.KEYSEED_MOSQUITTO_DIR = str(tmp_path)
    settings.KEYSEED_MOSQUITTO_PID_FILE = str(tmp_path / "mosquitto.pid")
    OutboxRow.objects.all().delete()
    block(healthy)
    outbox.carry_out()
    assert users(tmp_path).keys() == {"gateway", neighbour.id}
    told, kicked = OutboxRow.objects.order_by("id")
    assert (told.kind, told.tries) == (Kind.CREDENTIALS.value, 1)
    assert "mosquitto.pid" in told.error
    assert (kicked.kind, kicked.tries) == (Kind.KICK.value, 1), "it would come back before Mosquitto knows"


def test_the_command_tells_mosquitto_where_it_is_told_the_pid_file(
    installation: Installation, healthy: Owned, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = installation.broker
    call_command("mosquitto_files", str(broker.folder), "--pid-file", str(broker.pid_file))
    assert "1 devices and the service may sign in" in capsys.readouterr().out
    end = time.monotonic() + 5
    while refused(healthy.port, healthy.id, healthy.password):
        assert time.monotonic() < end
        time.sleep(0.02)
