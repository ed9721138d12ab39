"""While the database is away, or says that it could not, a batch is tried again whole and nothing is lost: law 6."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from commands.models import Command
from provisioning import batches
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, Device
from tests.pipeline.running import running
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture
def devices() -> list[Device]:
    found = cast.fleet(cast.owner(), 6, CONFIG, FINISHED)
    return sorted(found, key=lambda device: device.id)


@contextmanager
def another(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """A second connection to the tests' database."""
    with psycopg.connect(postgres.url_of(str(connection.settings_dict["NAME"]))) as opened:
        yield opened


def assert_each_served_once(devices: list[Device]) -> None:
    found = Command.objects.filter(device_id__in=[device.id for device in devices])
    assert set(found.values_list("status", "deliveries")) == {("IN_PROGRESS", 1)}
    assert [device.timeline("refused") for device in devices] == [[]] * len(devices)
    for device in devices:
        assert len(device.timeline("served")) == 1


def serve(devices: list[Device]) -> None:
    """All get their two commands, whatever happens meanwhile."""
    said = cast.by_device(batches.handle([device.get() for device in devices]))
    assert {(one.verb, len(one.commands)) for one in said.values()} == {("commands", 2)}
    assert len(said) == len(devices)


def test_the_database_is_away_for_a_moment(devices: list[Device], postgres: Postgres) -> None:
    postgres.stop()
    back = threading.Timer(0.5, postgres.start)
    back.start()
    serve(devices)
    back.join()
    assert_each_served_once(devices)


STATEMENTS = ("FOR NO KEY UPDATE", "UPDATE commands_command", "INSERT INTO devices_timeline")


@pytest.mark.parametrize("words", STATEMENTS)
def test_the_database_ends_the_connection_at_a_statement(
    devices: list[Device], postgres: Postgres, words: str
) -> None:
    ended: list[int] = []

    def end(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if words in sql and not ended:
            ended.append(context["connection"].connection.info.backend_pid)
            with another(postgres) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", ended)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(end):
        serve(devices)
    assert ended
    assert_each_served_once(devices)


def test_another_transaction_wants_the_same_rows_in_another_order(
    devices: list[Device], postgres: Postgres
) -> None:
    """A deadlock: PostgreSQL ends the one that finds it first, which is the batch."""
    hold = "SELECT 1 FROM devices_device WHERE id = %s FOR UPDATE"
    with another(postgres) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute(hold, [devices[-1].id])

        def cross() -> None:
            _wait_for_a_waiter(postgres)
            other.execute(hold, [devices[0].id])
            other.commit()

        crossing = pool.submit(cross)
        serve(devices)
        crossing.result()
    assert "deadlock detected" in postgres.log_text()
    assert_each_served_once(devices)


def _wait_for_a_waiter(postgres: Postgres) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with another(postgres) as watching:
        _wait_until(lambda: watching.execute(waiting).fetchone() != (0,))


def _wait_until(so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_somebody_holds_a_device_for_longer_than_the_database_waits(
    devices: list[Device], postgres: Postgres
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with another(postgres) as other:
            other.execute("SELECT 1 FROM devices_device WHERE id = %s FOR UPDATE", [devices[2].id])
            release = threading.Timer(0.2, other.rollback)
            release.start()
            serve(devices)
            release.join()
    finally:
        connection.close()
    assert_each_served_once(devices)


def test_the_database_is_away_for_longer_than_a_task_waits(
    devices: list[Device], postgres: Postgres, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The task goes back to its queue, again and again, and is not what gets counted as killing workers."""
    with running(tmp_path, postgres) as processes, Wire(settings.MQTT_URL) as wire:
        worker = processes.altered("inbound", "from provisioning import batches; batches.WAIT_SECONDS = 0.1")
        processes.start("gateway")
        connection.close()
        postgres.stop()
        try:
            wire.say([device.get() for device in devices])
            _wait_until(lambda: worker.text.count("goes back to the queue") >= 5)
        finally:
            postgres.start()
        said = wire.wait_for(len(devices))
        assert {one.verb for one in said} == {"commands"}
        assert "raised unexpected" not in worker.text
    assert_each_served_once(devices)
