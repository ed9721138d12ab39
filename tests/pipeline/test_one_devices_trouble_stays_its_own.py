"""A message that cannot be handled costs nothing to its neighbours in the batch: law 6."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import current_app
from cryptography.fernet import Fernet
from django.conf import settings

from commands.models import Command
from pki.sealing import Sealer
from provisioning import batches
from provisioning.tasks import pack
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, PSK, SHARED_KEY, Device
from tests.pipeline.running import running
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

MARK = "what-the-device-said"
INTEGER_MOST = 2_147_483_647
Trouble = Callable[[Device], object]


def first(device: Device, **fields: object) -> None:
    """Writes behind Keyseed's back what no rule of it would."""
    Command.objects.filter(device_id=device.id, position=1).update(**fields)


TROUBLES: dict[str, Trouble] = {
    "the key of its secret is gone": lambda device: first(
        device, secrets=Sealer([Fernet.generate_key().decode()]).seal({"secret": PSK})
    ),
    "its secret is gone": lambda device: first(device, secrets=None),
    "its command is of no type": lambda device: first(device, type="teleport"),
    "its error is no error": lambda device: first(device, error={"oops": PSK}),
    "a number of it leaves its column": lambda device: first(device, deliveries=INTEGER_MOST),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_one_cannot_be_handled_and_its_neighbours_are_served(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    devices = cast.fleet(cast.owner(), 7, SHARED_KEY, FINISHED)
    odd = devices[4]
    trouble(odd)
    with caplog.at_level(logging.DEBUG):
        said = cast.by_device(batches.handle([device.get(id=MARK) for device in devices]))
    assert said.keys() == {device.id for device in devices}
    for device in devices:
        if device is not odd:
            assert said[device.id].verb == "commands"
            assert len(said[device.id].commands) == 2
            assert device.row.status == "PROVISIONING"
            assert device.timeline("refused") == []
    assert (said[odd.id].verb, said[odd.id].body["code"]) == ("rejected", "INTERNAL")
    assert [entry["code"] for entry in odd.timeline("refused")] == ["INTERNAL"]
    assert odd.row.status == "READY"
    assert MARK not in caplog.text
    assert PSK not in caplog.text


def test_the_odd_one_is_served_once_its_trouble_is_over() -> None:
    odd, *others = cast.fleet(cast.owner(), 3, CONFIG, FINISHED)
    first(odd, deliveries=INTEGER_MOST)
    batches.handle([device.get() for device in (odd, *others)])
    first(odd, deliveries=0)
    (said,) = cast.heard(batches.handle([odd.get()]))
    assert len(said.commands) == 2
    assert odd.row.status == "PROVISIONING"


def test_results_of_the_odd_one_are_not_stored_and_those_of_its_neighbours_are() -> None:
    devices = cast.fleet(cast.owner(), 5, CONFIG, FINISHED)
    served = cast.by_device(batches.handle([device.get() for device in devices]))
    odd = devices[1]
    first(odd, error={"oops": MARK})
    messages = [device.results(dict.fromkeys(served[device.id].commands)) for device in devices]
    said = cast.by_device(batches.handle(messages))
    assert [said[device.id].verb for device in devices] == ["accepted", "rejected", *["accepted"] * 3]
    assert [device.row.status for device in devices] == ["PROVISIONED", "PROVISIONING", *["PROVISIONED"] * 3]


ALTERED = """
import os, time
from config.celery import app
from provisioning import conversation
app.conf.task_soft_time_limit = 1
app.conf.worker_lost_wait = 0.5
honest = conversation.converse
def converse(messages):
    topics = " ".join(message.topic for message in messages)
    if os.environ["KILLS"] in topics: os._exit(1)
    if os.environ["HANGS"] in topics: time.sleep(60)
    return honest(messages)
conversation.converse = converse
"""


@pytest.mark.timeout(120)
def test_a_message_that_kills_or_stops_its_worker_is_given_up_at_its_third_delivery(
    postgres: Postgres, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """What hangs shares its batch with a neighbour, and so is taken apart from it first."""
    kills, hangs, neighbour = devices = cast.fleet(cast.owner(), 3, SHARED_KEY, FINISHED)
    with running(tmp_path, postgres) as processes, Wire(settings.MQTT_URL) as wire:
        for batch in ([kills], [hangs, neighbour]):
            messages = [pack(device.get(id=MARK)) for device in batch]
            current_app.send_task("provisioning.inbound", (messages,), soft_time_limit=1)
        worker = processes.altered("inbound", ALTERED, KILLS=str(kills.id), HANGS=str(hangs.id))
        said = {one.device_id: one for one in wire.wait_for(3, 60)}
        assert [said[odd.id].body.get("code") for odd in devices] == ["INTERNAL", "INTERNAL", None]
        assert len(said[neighbour.id].commands) == 2
        assert MARK not in worker.text
        assert PSK not in worker.text
    for odd in (kills, hangs):
        assert [entry["code"] for entry in odd.timeline("refused")] == ["INTERNAL"]
    assert [device.row.status for device in devices] == ["READY", "READY", "PROVISIONING"]
