"""The whole fleet's mouth and ears, over one connection of the service's own account."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from provisioning import mqtt
from provisioning.messages import Inbound
from tests.pipeline import cast
from tests.pipeline.cast import Said

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came down: when, where, and with which MQTT 5 properties."""

    at: float
    topic: str
    payload: bytes
    properties: Any

    @property
    def said(self) -> Said:
        return cast.read(self.topic, self.payload)


class Wire:
    """`with Wire(url) as wire:` says what devices say and hears what they would hear.

    `at_arrival` is called at each arrival, in another thread.
    """

    def __init__(self, url: str) -> None:
        self._address = mqtt.parse(url)
        self._client = mqtt.client(self._address, f"wire-{secrets.token_hex(4)}")
        self._client.on_message = self._hear
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._subscribed
        self._client.reconnect_delay_set(1, 1)
        self._ready = threading.Event()
        self._more = threading.Condition()
        self.arrived: list[Arrived] = []
        self.at_arrival: Callable[[], None] = lambda: None

    def say(self, messages: Sequence[Inbound], qos: int = 1, retain: bool = False) -> None:
        """Publishes and waits until the broker has all of it."""
        sent = []
        for message in messages:
            properties = None
            if self._address.five and message.correlation is not None:
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                properties.CorrelationData = message.correlation
            sent.append(self._client.publish(message.topic, message.payload, qos, retain, properties))
        for one in sent:
            one.wait_for_publish(SECONDS)

    def wait_for(self, count: int, seconds: float = SECONDS) -> list[Said]:
        """The first `count` answers. Fails with what came instead."""
        self.wait_until(lambda: len(self.arrived) >= count, seconds)
        return [arrived.said for arrived in self.arrived]

    def wait_until(self, enough: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Waits until what arrived is enough. Fails with what came instead."""
        with self._more:
            assert self._more.wait_for(enough, seconds), [one.topic for one in self.arrived[-20:]]

    def forget(self) -> None:
        """From now on only what comes now."""
        self.arrived.clear()

    def _subscribe(self, *_: Any) -> None:
        ends = ("+/commands", "+/accepted", "+/rejected", "notify")
        self._client.subscribe([(f"{cast.ROOT}/+/{end}", 1) for end in ends])

    def _subscribed(self, *_: Any) -> None:
        self._ready.set()

    def _hear(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        self.at_arrival()
        with self._more:
            properties = getattr(message, "properties", None)
            self.arrived.append(Arrived(time.monotonic(), message.topic, bytes(message.payload), properties))
            self._more.notify_all()

    def __enter__(self) -> Self:
        mqtt.connect(self._client, self._address)
        self._client.loop_start()
        assert self._ready.wait(SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
