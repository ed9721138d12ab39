"""Without a shared subscription a second gateway refuses to start; with one, several share the work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from provisioning.messages import Inbound
from tests.pipeline.cast import Device
from tests.pipeline.inbox import gateway, inbox
from tests.pipeline.running import Running, ended, running
from tests.pipeline.tap import Tap
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.product import PROGRAMS, Process
from tests.servers.redis import Redis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "mosquitto")]

GROUP = "a-group-that-nobody-can-guess"


@pytest.fixture
def processes(tmp_path: Path, postgres: Postgres) -> Iterator[Running]:
    with running(tmp_path, postgres) as found:
        yield found


def refused(processes: Running) -> str:
    """What a gateway says that does not want to run."""
    log = processes.folder / "refused.log"
    process = Process("gateway", PROGRAMS["gateway"], processes.environment, log)
    assert ended(process) == 1
    return process.text


def messages(count: int) -> list[Inbound]:
    return [Device(uuid4(), uuid4()).says("get", b"%d" % number) for number in range(count)]


def test_a_second_gateway_refuses_until_the_first_is_gone(processes: Running) -> None:
    first = processes.start("gateway")
    text = refused(processes)
    assert "Another gateway runs" in text
    assert "KEYSEED_GATEWAY_GROUP" in text
    assert "Traceback" not in text
    first.kill()
    processes.start("gateway")


def test_a_gateway_stops_when_it_is_told_to_also_after_the_database_was_away(
    processes: Running, postgres: Postgres
) -> None:
    one = processes.start("gateway")
    postgres.restart()
    began = time.monotonic()
    os.kill(one.pid, signal.SIGTERM)
    assert ended(one) == 0
    assert time.monotonic() - began < 3
    assert "Traceback" not in one.text


def test_gateways_of_a_group_start_beside_each_other(processes: Running) -> None:
    for _ in range(2):
        processes.start("gateway", KEYSEED_GATEWAY_GROUP=GROUP)


def test_gateways_of_a_group_share_the_work_and_lose_nothing(mosquitto: Mosquitto, redis: Redis) -> None:
    port = mosquitto.ports[1884]
    with inbox() as queue, Wire(settings.MQTT_URL) as wire, Tap(port) as one, Tap(port) as other:
        queue.empty()
        with gateway(one.url(settings.MQTT_URL), GROUP):
            with gateway(other.url(settings.MQTT_URL), GROUP):
                wire.say(messages(100))
                assert numbers(queue.take_messages(100)) == list(range(100))
                assert min(_taken(100, one, other)) > 20
            wire.say(messages(50))
            assert numbers(queue.take_messages(50)) == list(range(50))
        assert queue.look(0.2) is None


def _taken(count: int, *taps: Tap) -> list[int]:
    """How many each has taken, of so many in all."""
    end = time.monotonic() + 10
    while sum(taken := [len(tap.acknowledged[0]) for tap in taps]) < count:
        assert time.monotonic() < end, taken
        time.sleep(0.01)
    assert sum(taken) == count
    return taken


def numbers(batch: list[tuple[str, bytes, float, bytes | None]]) -> list[int]:
    return sorted(int(payload) for _, payload, _, _ in batch)
