"""Sends answers to devices, after commit. One connection a process; lost answers are asked for again."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from provisioning import mqtt
from provisioning.messages import Outbound

CONNECT_SECONDS = 10.0
ACK_SECONDS = 10.0
EXPIRY_SECONDS = 60
"""Message Expiry of what goes to devices. Source: WIRE.md 1.4."""


class NotSent(Exception):
    """The broker did not take all of it. The devices will ask again."""


class Publisher:
    """A connection to the broker that is made at the first message and made again when it broke."""

    def __init__(self, url: str) -> None:
        self._address = mqtt.parse(url)
        self._client: Client | None = None
        self._connected = threading.Event()
        self._lock = threading.Lock()

    def publish(self, messages: Sequence[Outbound]) -> None:
        """Sends all and waits until the broker has them. Raises `NotSent`."""
        if not messages:
            return
        with self._lock:
            client = self._ready()
            deadline = time.monotonic() + ACK_SECONDS
            for sent in [self._send(client, message) for message in messages]:
                self._wait(sent, deadline)

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._drop()

    def _ready(self) -> Client:
        if self._client is None:
            self._connect()
        if self._client is None or not self._connected.wait(CONNECT_SECONDS):
            raise NotSent(f"The MQTT broker at {self._address.host}:{self._address.port} does not let us in.")
        return self._client

    def _connect(self) -> None:
        client = mqtt.client(self._address, f"keyseed-publisher-{secrets.token_hex(8)}")
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        try:
            mqtt.connect(client, self._address)
        except OSError as error:
            raise NotSent(f"No MQTT broker at {self._address.host}:{self._address.port}: {error}") from error
        client.loop_start()
        self._client = client

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            self._connected.set()

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected.clear()

    def _send(self, client: Client, message: Outbound) -> MQTTMessageInfo:
        sent = client.publish(message.topic, message.payload, qos=1, properties=self._properties(message))
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._drop()
            raise NotSent(f"The connection to the MQTT broker broke: {sent.rc!s}")
        return sent

    def _wait(self, sent: MQTTMessageInfo, deadline: float) -> None:
        sent.wait_for_publish(max(deadline - time.monotonic(), 0.001))
        if not sent.is_published():
            self._drop()
            raise NotSent(f"The MQTT broker did not confirm within {ACK_SECONDS:.0f} s.")

    def _properties(self, message: Outbound) -> Properties | None:
        if not self._address.five:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = EXPIRY_SECONDS
        if message.correlation is not None:
            properties.CorrelationData = message.correlation
        return properties

    def _drop(self) -> None:
        """What was not confirmed is forgotten with the connection: an answer is no good when it is late."""
        client, self._client = self._client, None
        self._connected.clear()
        if client is not None:
            client.disconnect()
            client.loop_stop()


_publishers: dict[tuple[int, str], Publisher] = {}


def current() -> Publisher:
    """This process's publisher: a forked pool child must not share its parent's connection."""
    key = (os.getpid(), settings.MQTT_URL)
    if key not in _publishers:
        _publishers[key] = Publisher(settings.MQTT_URL)
    return _publishers[key]
