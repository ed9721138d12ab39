"""The broker hears that a message was taken when the queue has it, on the connection that brought it, not before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from django.conf import settings

from provisioning import gateway as gateways
from provisioning.messages import Inbound
from tests.pipeline.cast import Device
from tests.pipeline.inbox import Inbox, gateway, inbox
from tests.pipeline.tap import Tap
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.redis import Redis


@pytest.fixture(scope="module")
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    with Wire(settings.MQTT_URL) as opened:
        yield opened


@pytest.fixture
def tap(mosquitto: Mosquitto) -> Iterator[Tap]:
    with Tap(mosquitto.ports[1884]) as opened:
        yield opened


def through(tap: Tap, version: str = "5") -> str:
    return f"{tap.url(settings.MQTT_URL)}?version={version}"


def messages(*words: str) -> list[Inbound]:
    return [Device(uuid4(), uuid4()).says("get", word.encode()) for word in words]


def words(queue: Inbox, count: int) -> list[str]:
    return [payload.decode() for _, payload, _, _ in queue.take_messages(count)]


def wait_until(so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_nothing_is_acknowledged_while_the_queue_is_away(
    wire: Wire, tap: Tap, redis: Redis, version: str
) -> None:
    with gateway(through(tap, version)):
        redis.stop()
        try:
            wire.say(messages("one", "two", "three"))
            time.sleep(0.5)
            assert tap.acknowledged == [[]]
        finally:
            redis.start()
        with inbox() as queue:
            assert words(queue, 3) == ["one", "two", "three"]
        wait_until(lambda: len(tap.acknowledged[0]) == 3)


def test_what_an_earlier_connection_brought_is_queued_and_not_acknowledged_on_the_next(
    wire: Wire, tap: Tap, redis: Redis
) -> None:
    """Packet ids begin again on a new connection: an old one would take another message off the broker."""
    with gateway(through(tap)):
        redis.stop()
        try:
            wire.say(messages("one", "two", "three"))
            time.sleep(0.3)
            tap.cut()
            wait_until(lambda: len(tap.acknowledged) == 2)
            time.sleep(0.5)
            wire.say(messages("four", "five"))
            time.sleep(0.3)
        finally:
            redis.start()
        with inbox() as queue:
            assert words(queue, 5) == ["one", "two", "three", "four", "five"]
        wait_until(lambda: len(tap.acknowledged[1]) == 2)
        time.sleep(0.2)
    assert tap.acknowledged == [[], [1, 2]]


def test_more_than_it_may_hold_waits_at_the_broker(wire: Wire, tap: Tap, redis: Redis) -> None:
    """Receive Maximum: twice a batch."""
    every = [str(number) for number in range(60)]
    with gateway(through(tap), batch=5) as running:
        redis.stop()
        try:
            wire.say(messages(*every))
            wait_until(lambda: len(running._held) == 10)
            time.sleep(0.3)
            assert len(running._held) == 10
        finally:
            redis.start()
        with inbox() as queue:
            assert words(queue, 60) == every


@pytest.mark.parametrize(("version", "qos"), [("5", 0), ("3.1.1", 0), ("3.1.1", 1)])
def test_a_flood_while_the_queue_is_away_does_not_fill_the_memory(
    wire: Wire, tap: Tap, redis: Redis, version: str, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the broker cannot be told to keep is dropped: the devices ask again."""
    monkeypatch.setattr(gateways, "HELD_BYTES", 9 * gateways.HELD_OVERHEAD)
    with gateway(through(tap, version), batch=5):
        redis.stop()
        try:
            wire.say(messages(*map(str, range(300))), qos=qos)
            time.sleep(0.3)
        finally:
            redis.start()
        with inbox() as queue:
            assert words(queue, 9) == [str(number) for number in range(9)]
            wire.say(messages("later"), qos=qos)
            assert words(queue, 1) == ["later"]
