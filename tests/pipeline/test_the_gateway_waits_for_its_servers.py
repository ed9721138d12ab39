"""A gateway that starts before its broker or its queue, or outlives them, serves as soon as both are there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from django.conf import settings

from provisioning.gateway import Gateway, Queue
from provisioning.messages import Inbound
from tests.pipeline import cast
from tests.pipeline.cast import Device
from tests.pipeline.inbox import gateway, inbox
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.redis import Redis

pytestmark = pytest.mark.usefixtures("redis", "mosquitto")


def message() -> Inbound:
    return Device(uuid4(), uuid4()).get()


@contextmanager
def starting(url: str) -> Iterator[threading.Event]:
    """A gateway that may not be subscribed yet; the event tells when it is."""
    ready = threading.Event()
    app: Any = current_app
    made = Gateway(url, cast.ROOT, Queue(app), on_ready=ready.set)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield ready
    finally:
        made.stop()
        thread.join(10)
        assert not thread.is_alive()


def assert_serves() -> None:
    with Wire(settings.MQTT_URL) as wire, inbox() as queue:
        queue.empty()
        sent = message()
        wire.say([sent])
        assert [topic for topic, *_ in queue.take()] == [sent.topic]


def test_it_starts_while_the_queue_is_away(redis: Redis) -> None:
    sent = message()
    with ExitStack() as stack:
        redis.stop()
        try:
            ready = stack.enter_context(starting(settings.MQTT_URL))
            assert ready.wait(10)
            stack.enter_context(Wire(settings.MQTT_URL)).say([sent])
        finally:
            redis.start()
        queue = stack.enter_context(inbox())
        assert [topic for topic, *_ in queue.take()] == [sent.topic]


def test_it_starts_while_the_broker_is_away(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with starting(settings.MQTT_URL) as ready:
        try:
            assert not ready.wait(0.3)
        finally:
            mosquitto.start()
        assert ready.wait(5)
        assert_serves()


def test_it_goes_on_when_the_broker_was_restarted(mosquitto: Mosquitto) -> None:
    with starting(settings.MQTT_URL) as ready:
        assert ready.wait(10)
        ready.clear()
        mosquitto.restart()
        assert ready.wait(5)
        assert_serves()


def test_it_goes_on_when_the_queue_was_restarted(redis: Redis) -> None:
    with gateway(settings.MQTT_URL):
        assert_serves()
        redis.restart()
        assert_serves()


def test_a_wrong_password_is_told_and_not_repeated_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    wrong = settings.MQTT_URL.replace("gateway:", "gateway:not-")
    with caplog.at_level(logging.DEBUG), starting(wrong) as ready:
        end = time.monotonic() + 10
        while "MQTT_URL" not in caplog.text and time.monotonic() < end:
            time.sleep(0.02)
        assert not ready.is_set()
    assert "Check user and password in MQTT_URL" in caplog.text
    assert "not-" not in caplog.text
