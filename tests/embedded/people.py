"""The cast: a healthy device, its neighbour, a blocked one, and the gateway; each as real MQTT clients."""

import queue
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.limits import Limits
from provisioning.embedded.rules import Admission, ServiceAccount
from tests.embedded import raw
from tests.embedded.raw import Raw

ROOT: Final = "prov/v1"
HEALTHY: Final = "0b5e7c1a-98f4-4f0c-9a53-3f2e6c1d0a01"
NEIGHBOUR: Final = "7d9f2c44-1b7e-4c0d-8f16-5a0e9b3c2d02"
BLOCKED: Final = "c3a1e5d7-6f08-4b29-b7c4-1d2f3a4b5c03"
SLOW: Final = "d4b2f6e8-7019-4c3a-88d5-2e304b5c6d04"
BRIEF: Final = "f6d4180a-923b-4e5c-8af7-40526d7e8f06"
BROKEN: Final = "e5c307f9-812a-4d4b-99e6-3f415c6d7e05"
PASSWORD: Final = "a password of a device"
GATEWAY: Final = ServiceAccount("gateway", "a password of the gateway")


def sign_in(device_id: str, password: str) -> Admission | None:
    """The database of these tests: a second to look SLOW up, half a second for BRIEF to stay, an error for BROKEN."""
    if device_id == SLOW:
        time.sleep(1)
    if device_id == BROKEN:
        raise ConnectionError("the database is away")
    if device_id == BRIEF:
        return Admission(0.5)
    return Admission() if device_id != BLOCKED and password == PASSWORD else None


def new_broker(limits: Limits | None = None) -> EmbeddedBroker:
    broker = EmbeddedBroker("127.0.0.1", 0, ROOT, sign_in, GATEWAY, limits=limits)
    broker.start()
    return broker


def device(port: int, device_id: str = HEALTHY, *, suffix: str = "", keep_alive: int = 60) -> Raw:
    """A device that has signed in, byte by byte."""
    client = Raw(port, raw.connect(device_id + suffix, device_id, PASSWORD, keep_alive=keep_alive))
    assert client.answer() == bytes([raw.CONNACK, 0, 0])
    return client


def listening(port: int, device_id: str = HEALTHY, *, suffix: str = "") -> Raw:
    """A device that has signed in and hears its own topics."""
    client = device(port, device_id, suffix=suffix)
    client.send(raw.subscribe(f"{ROOT}/{device_id}/+/commands"))
    assert client.answer() == bytes([raw.SUBACK, 0, 1, 1])
    return client


def topic(device_id: str, end: str) -> str:
    return f"{ROOT}/{device_id}/{end}"


class Paho:
    """A paho client, with what it heard in a queue."""

    def __init__(
        self,
        port: int,
        user: str,
        password: str,
        *filters: str,
        client_id: str | None = None,
        manual_ack: bool = False,
        version: Any = mqtt.MQTTv311,
    ) -> None:
        self.heard: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self.gone = threading.Event()
        self.code: int | None = None
        self._answered = threading.Event()
        self._subscribed = threading.Event()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id or user, protocol=version, manual_ack=manual_ack
        )
        self.client.username_pw_set(user, password)
        self.client.max_inflight_messages_set(10_000)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.on_message = lambda _client, _data, message: self.heard.put(message)
        self.client.on_socket_open = self._without_nagle
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._answered.wait(5)
        if filters:
            self.client.subscribe([(topic_filter, 1) for topic_filter in filters])
            assert self._subscribed.wait(5)

    @staticmethod
    def _without_nagle(_client: mqtt.Client, _data: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, _client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.code = code.value
        self._answered.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        # paho closes its sockets when the last reference goes.
        del self.client

    def echo(self, topic: str) -> None:
        """Answer every message from now on with its payload, to `topic`."""

        def answer(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            client.publish(topic, message.payload, qos=1)

        self.client.on_message = answer

    def next(self, timeout: float = 5) -> mqtt.MQTTMessage:
        return self.heard.get(timeout=timeout)


def gateway(port: int, *filters: str, manual_ack: bool = False) -> Paho:
    """The gateway, hearing everything that devices send unless told otherwise."""
    filters = filters or (f"{ROOT}/+/+/get", f"{ROOT}/+/+/results")
    return Paho(port, GATEWAY.user, GATEWAY.password, *filters, manual_ack=manual_ack)
