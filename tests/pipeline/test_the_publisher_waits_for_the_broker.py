"""`publish` returns when the broker has all of it, finds a broker that came back, and speaks MQTT 5 and 3.1.1."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.conf import settings

from provisioning import publisher
from provisioning.messages import Outbound
from provisioning.publisher import NotSent, Publisher
from provisioning.wire import topics
from tests.pipeline import cast
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto

pytestmark = pytest.mark.usefixtures("mosquitto")


@pytest.fixture(params=["5", "3.1.1"])
def url(request: pytest.FixtureRequest) -> str:
    return f"{settings.MQTT_URL}?version={request.param}"


@pytest.fixture
def sender(url: str) -> Iterator[Publisher]:
    made = Publisher(url)
    yield made
    made.close()


def answer(body: bytes = b"{}", correlation: bytes | None = None) -> Outbound:
    return Outbound(topics.commands(cast.ROOT, uuid4(), "json"), body, correlation)


def test_a_full_batch_of_large_answers_arrives(sender: Publisher) -> None:
    body = b'{"x": "' + b"x" * 8_000 + b'"}'
    batch = [answer(body) for _ in range(500)]
    with Wire(settings.MQTT_URL) as wire:
        sender.publish(batch)
        wire.wait_for(500)
    assert {one.topic for one in wire.arrived} == {one.topic for one in batch}
    assert {one.payload for one in wire.arrived} == {body}


def test_it_waits_for_the_brokers_acknowledgement(sender: Publisher, mosquitto: Mosquitto) -> None:
    sender.publish([answer()])
    os.kill(mosquitto.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(sender.publish, [answer()])
            time.sleep(0.3)
            assert not under_way.done()
            os.kill(mosquitto.pid, signal.SIGCONT)
            under_way.result(5)
    finally:
        os.kill(mosquitto.pid, signal.SIGCONT)


def test_it_gives_up_on_a_broker_that_does_not_confirm(
    sender: Publisher, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "ACK_SECONDS", 0.3)
    sender.publish([answer()])
    os.kill(mosquitto.pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotSent, match="confirm"):
            sender.publish([answer()])
    finally:
        os.kill(mosquitto.pid, signal.SIGCONT)
    sender.publish([answer()])


def test_it_finds_a_broker_that_was_restarted(sender: Publisher, mosquitto: Mosquitto) -> None:
    sender.publish([answer()])
    mosquitto.restart()
    with Wire(settings.MQTT_URL) as wire:
        sender.publish([answer()])
        wire.wait_for(1)


def test_it_says_at_once_that_no_broker_is_there_and_finds_it_later(
    sender: Publisher, mosquitto: Mosquitto
) -> None:
    sender.publish([answer()])
    mosquitto.kill()
    try:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(NotSent):
                sender.publish([answer()])
            assert time.monotonic() - began < 1
    finally:
        mosquitto.start()
    began = time.monotonic()
    sender.publish([answer()])
    assert time.monotonic() - began < 1


def test_a_wrong_password_is_said_at_once(url: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotSent, match="let us in"):
        Publisher(url.replace("gateway:", "gateway:wrong")).publish([answer()])
    assert time.monotonic() - began < 3


def test_mqtt_5_carries_expiry_and_the_correlation_data_of_the_request() -> None:
    sender = Publisher(settings.MQTT_URL)
    with Wire(settings.MQTT_URL) as wire:
        sender.publish([answer(correlation=b"\x00\xff seven"), answer()])
        wire.wait_for(2)
    with_data, without = (one.properties for one in wire.arrived)
    assert with_data.CorrelationData == b"\x00\xff seven"
    assert not hasattr(without, "CorrelationData")
    assert 58 <= with_data.MessageExpiryInterval <= 60
    assert 58 <= without.MessageExpiryInterval <= 60
    sender.close()


def test_mqtt_3_1_1_carries_the_same_without_them() -> None:
    sender = Publisher(f"{settings.MQTT_URL}?version=3.1.1")
    with Wire(settings.MQTT_URL) as wire:
        sender.publish([answer(correlation=b"seven")])
        wire.wait_for(1)
    assert not hasattr(wire.arrived[0].properties, "CorrelationData")
    assert not hasattr(wire.arrived[0].properties, "MessageExpiryInterval")
    sender.close()
