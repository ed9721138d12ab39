"""An idle service gets a single message at once; a busy one gets full batches; nobody's messages get nowhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from django.conf import settings

from provisioning.messages import Inbound
from provisioning.tasks import Packed
from tests.pipeline.cast import Device
from tests.pipeline.inbox import Inbox, gateway, inbox
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.redis import Redis

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    with Wire(settings.MQTT_URL) as opened:
        yield opened


@pytest.fixture
def queue(redis: Redis) -> Iterator[Inbox]:
    with inbox() as opened:
        opened.empty()
        yield opened


@pytest.fixture(autouse=True)
def running(wire: Wire, queue: Inbox) -> Iterator[None]:
    with gateway(settings.MQTT_URL):
        yield


def messages(count: int, size: int = 2) -> list[Inbound]:
    """From as many devices; each has its number in it."""
    filler = b"x" * size
    return [Device(uuid4(), uuid4()).says("get", b"%d " % number + filler) for number in range(count)]


def numbers(batch: Sequence[Packed]) -> list[int]:
    return [int(payload.split()[0]) for _, payload, _, _ in batch]


def test_an_idle_service_gets_a_message_at_once(wire: Wire, queue: Inbox) -> None:
    trips = []
    for message in messages(40):
        began = time.monotonic()
        wire.say([message])
        ((topic, payload, received, correlation),) = queue.take()
        trips.append(time.monotonic() - began)
        assert (topic, payload, correlation) == (message.topic, message.payload, None)
        assert abs(received - time.time()) < 1
    assert statistics.median(trips) < 0.02


def test_while_batches_wait_the_next_one_grows_to_five_hundred(wire: Wire, queue: Inbox) -> None:
    wire.say(messages(1_600))
    _settle(queue)
    assert queue.waiting() == 2
    early = numbers(queue.take()) + numbers(queue.take())
    batches: list[list[int]] = []
    while sum(len(batch) for batch in batches) + len(early) < 1_600:
        batches.append(numbers(queue.take()))
    assert early + [number for batch in batches for number in batch] == list(range(1_600))
    assert max(len(batch) for batch in batches) == 500
    assert len(batches) <= 5


def test_a_batch_holds_one_mebibyte(wire: Wire, queue: Inbox) -> None:
    wire.say(messages(60, 60_000))
    _settle(queue)
    found: list[list[Packed]] = []
    while sum(len(batch) for batch in found) < 60:
        found.append(queue.take())
    sizes = [sum(len(payload) for _, payload, _, _ in batch) for batch in found]
    assert MIB - 61_000 < max(sizes) <= MIB
    assert [number for batch in found for number in numbers(batch)] == list(range(60))


def test_qos_0_is_good_enough(wire: Wire, queue: Inbox) -> None:
    wire.say(messages(3), qos=0)
    assert sorted(numbers(queue.take_messages(3))) == [0, 1, 2]


def test_correlation_data_comes_along(wire: Wire, queue: Inbox) -> None:
    asked = messages(1)[0]
    wire.say([Inbound(asked.topic, asked.payload, asked.received, b"\x00\xff")])
    ((_, _, _, correlation),) = queue.take()
    assert correlation == b"\x00\xff"


def _settle(queue: Inbox) -> None:
    """Until the gateway has got all it will get while nobody takes from the queue."""
    end = time.monotonic() + 10
    while queue.waiting() < 2 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
