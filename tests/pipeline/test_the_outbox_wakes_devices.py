"""A device that has work to do hears of it within a second, and not more often: WIRE.md 5.1, law 10."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.utils import timezone

from commands import services
from commands.models import Command
from devices.models import Device as DeviceModel
from devices.models import OutboxRow
from provisioning import conversation
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, WHO, Device
from tests.pipeline.running import Running, running
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module", autouse=True)
def jobs(
    django_db_setup: None,
    postgres: Postgres,
    redis: Redis,
    mosquitto: Mosquitto,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """The worker that carries the outbox out; nobody sweeps."""
    with running(tmp_path_factory.mktemp("jobs"), postgres) as processes:
        processes.start("jobs")
        yield processes


@pytest.fixture
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    with Wire(settings.MQTT_URL) as opened:
        yield opened


@pytest.fixture
def device(wire: Wire) -> Device:
    """It has two commands, has heard of them, and that was a while ago."""
    made = cast.device(cast.owner(), CONFIG, CONFIG)
    wire.wait_until(lambda: len(wire.arrived) == 1)
    rest(wire)
    return made


def rest(wire: Wire) -> None:
    """A while goes by."""
    wire.forget()
    DeviceModel.objects.update(notified_at=None)


def id_of(device: Device) -> UUID:
    """Its first command's."""
    return Command.objects.filter(device_id=device.id).order_by("position")[0].id


def fail(device: Device) -> None:
    (said,) = cast.heard(conversation.converse([device.get()]))
    conversation.converse([device.results({said.commands[0]: 5})])


def reset(device: Device) -> None:
    fail(device)
    services.reset(device.tenant_id, device.id, id_of(device), WHO)


def skip(device: Device) -> None:
    fail(device)
    services.skip(device.tenant_id, device.id, id_of(device), WHO)


def unblock(device: Device) -> None:
    services.block(device.tenant_id, device.id, WHO)
    services.unblock(device.tenant_id, device.id, WHO)


def reset_all(device: Device) -> None:
    fail(device)
    services.reset_all(device.tenant_id, device.id, WHO)


REASONS: dict[Callable[[Device], object], int] = {
    lambda device: device.add(CONFIG, CONFIG): 4,
    lambda device: device.add(FINISHED, CONFIG): 3,
    reset: 2,
    skip: 1,
    unblock: 2,
    reset_all: 2,
}
NAMES = ["add", "add behind finished", "reset", "skip", "unblock", "reset all"]


@pytest.mark.parametrize(("reason", "pending"), REASONS.items(), ids=NAMES)
def test_it_is_woken_within_a_second(
    device: Device, wire: Wire, reason: Callable[[Device], object], pending: int
) -> None:
    reason(device)
    wire.wait_until(lambda: len(wire.arrived) >= 1, 1.0)
    said = wire.arrived[-1].said
    assert (said.device_id, said.verb) == (device.id, "notify")
    assert said.body == {"pending": pending, "within": 1}


def test_it_is_woken_once_a_second_at_most_and_hears_the_newest_state(device: Device, wire: Wire) -> None:
    for _ in range(6):
        device.add(CONFIG)
        time.sleep(0.05)
    wire.wait_until(lambda: len(wire.arrived) == 2, 2.0)
    first, second = wire.arrived
    assert 0.9 < second.at - first.at < 1.5
    assert second.said.body["pending"] == 8
    time.sleep(0.3)
    assert len(wire.arrived) == 2


def test_who_has_nothing_to_do_is_not_woken(device: Device, wire: Wire) -> None:
    services.block(device.tenant_id, device.id, WHO)
    device.add(CONFIG)
    other = cast.device(cast.owner(), CONFIG)
    services.delete(other.tenant_id, other.id, id_of(other), WHO)
    time.sleep(0.5)
    assert [one.topic for one in wire.arrived if str(device.id) in one.topic] == []
    assert not OutboxRow.objects.filter(due_at__lt=timezone.now()).exists()


def test_a_nudge_that_was_lost_is_found_by_the_sweep(device: Device, wire: Wire, redis: Redis) -> None:
    """And whoever changed the list did not wait for the queue."""
    redis.stop()
    try:
        began = time.monotonic()
        device.add(CONFIG)
        services.block(device.tenant_id, device.id, WHO)
        services.unblock(device.tenant_id, device.id, WHO)
        assert time.monotonic() - began < 1
    finally:
        redis.start()
    assert wire.arrived == []
    current_app.send_task("provisioning.outbox")
    wire.wait_until(lambda: len(wire.arrived) == 1, 10.0)
    assert wire.arrived[0].said.body["pending"] == 3


def test_it_is_woken_after_the_queue_was_restarted(device: Device, wire: Wire, redis: Redis) -> None:
    redis.restart()
    time.sleep(1)
    device.add(CONFIG)
    wire.wait_until(lambda: len(wire.arrived) == 1, 5.0)


def test_it_is_woken_after_the_database_was_away(device: Device, wire: Wire, postgres: Postgres) -> None:
    connection.close()
    postgres.restart()
    for _ in range(2):
        device.add(CONFIG)
        time.sleep(1.1)
    assert len(wire.arrived) == 2


def test_it_is_woken_after_the_broker_was_away(device: Device, mosquitto: Mosquitto) -> None:
    mosquitto.restart()
    with Wire(settings.MQTT_URL) as wire:
        device.add(CONFIG)
        wire.wait_until(lambda: len(wire.arrived) == 1, 2.0)
