"""Sends answers to devices, after commit. One connection a process; lost answers are asked for again."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from provisioning import mqtt
from provisioning.messages import Outbound

CONNECT_SECONDS = 10.0
ACK_SECONDS = 10.0
EXPIRY_SECONDS = 60
"""Message Expiry of what goes to devices. Source: WIRE.md 1.4."""

KEEPALIVE = 65_535
"""Seconds, the most there is: nobody pings between two batches. A connection that broke is seen at the next one."""


class NotSent(Exception):
    """The broker did not take all of it. The devices will ask again."""


class Publisher:
    """A connection to the broker that is made at the first message and made again when it broke.

    Its network loop runs inside `publish`: a thread of its own would fight with the caller for the interpreter
    lock, which cost as much as handling the batch itself.
    """

    def __init__(self, url: str) -> None:
        self._address = mqtt.parse(url)
        self._client: Client | None = None
        self._connected = False
        self._unconfirmed: set[int] = set()
        self._lock = threading.Lock()
        self._plain = self._properties(None)

    def publish(self, messages: Sequence[Outbound]) -> None:
        """Sends all and waits until the broker has them. Raises `NotSent`."""
        if not messages:
            return
        with self._lock:
            try:
                client = self._ready()
                for message in messages:
                    self._send(client, message)
                self._loop(client, ACK_SECONDS, lambda: not self._unconfirmed, "did not confirm")
            except OSError as error:
                self._drop()
                raise NotSent(f"The connection to the MQTT broker broke: {error}") from error

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()

    def _ready(self) -> Client:
        """The client, connected: what happened to the connection since the last batch is learnt first."""
        client = self._client
        if client is not None and client.loop(0) == MQTTErrorCode.MQTT_ERR_SUCCESS and self._connected:
            return client
        self._drop()
        return self._connect()

    def _connect(self) -> Client:
        client = mqtt.client(self._address, f"keyseed-publisher-{secrets.token_hex(8)}")
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._client = client
        mqtt.connect(client, self._address, keepalive=KEEPALIVE)
        self._loop(client, CONNECT_SECONDS, lambda: self._connected, "does not let us in")
        return client

    def _loop(self, client: Client, seconds: float, done: Callable[[], bool], trouble: str) -> None:
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0 or client.loop(left) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._drop()
                raise NotSent(f"The MQTT broker at {self._address.host}:{self._address.port} {trouble}.")

    def _send(self, client: Client, message: Outbound) -> None:
        properties = self._plain if message.correlation is None else self._properties(message.correlation)
        sent = client.publish(message.topic, message.payload, qos=1, properties=properties)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._drop()
            raise NotSent(f"The connection to the MQTT broker broke: {sent.rc!s}")
        self._unconfirmed.add(sent.mid)

    def _properties(self, correlation: bytes | None) -> Properties | None:
        if not self._address.five:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = EXPIRY_SECONDS
        if correlation is not None:
            properties.CorrelationData = correlation
        return properties

    def _drop(self) -> None:
        """What was not confirmed is forgotten with the connection: an answer is no good when it is late."""
        client, self._client = self._client, None
        self._connected = False
        self._unconfirmed.clear()
        if client is not None:
            client.disconnect()

    # ---- paho calls these from within `loop`

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected = not reason.is_failure

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected = False

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._unconfirmed.discard(mid)


_publishers: dict[tuple[int, str], Publisher] = {}


def current() -> Publisher:
    """This process's publisher: a forked pool child must not share its parent's connection."""
    key = (os.getpid(), settings.MQTT_URL)
    if key not in _publishers:
        _publishers[key] = Publisher(settings.MQTT_URL)
    return _publishers[key]
