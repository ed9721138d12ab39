"""Devices as Mosquitto sees them: real MQTT clients, each with what it heard and how its session ended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.servers import ports

SECONDS = 10.0
VERSIONS = {"5": MQTTv5, "3.1.1": MQTTv311}


class Session:
    """One client; `answer` is what the broker said to its CONNECT."""

    def __init__(
        self, port: int, user: str | None, password: str | None, client_id: str = "", version: str = "5"
    ) -> None:
        self.answer: ReasonCode | None = None
        self.heard: list[tuple[str, bytes]] = []
        self.client_id = client_id
        self._port = port
        self._five = version == "5"
        self._answered, self._over = threading.Event(), threading.Event()
        self._granted, self._more = threading.Event(), threading.Condition()
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=VERSIONS[version], reconnect_on_failure=False
        )
        if user is not None:
            self.client.username_pw_set(user, password)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message

    def open(self) -> bool:
        """Whether the broker let it in."""
        self.client.connect(ports.HOST, self._port)
        self.client.loop_start()
        assert self._answered.wait(SECONDS) or self._over.is_set()
        return self.answer is not None and not self.answer.is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Ends as a device that loses power does: the broker hears no DISCONNECT."""
        found = self.client.socket()
        assert isinstance(found, socket.socket)
        found.shutdown(socket.SHUT_RDWR)
        assert self.ended(SECONDS)

    def ended(self, seconds: float) -> bool:
        """Whether the session ends in time."""
        return self._over.wait(seconds)

    @property
    def alive(self) -> bool:
        return not self._over.is_set()

    def subscribe(self, *filters: str) -> None:
        """All in one packet; whether it was granted is not asked: what counts is what comes."""
        self._granted.clear()
        if self._five:
            self.client.subscribe([(one, SubscribeOptions(qos=1)) for one in filters])
        else:
            self.client.subscribe([(one, 1) for one in filters])
        assert self._granted.wait(SECONDS)

    def publish(self, topic: str, payload: bytes = b"{}", qos: int = 1, retain: bool = False) -> None:
        """Sends it and, with QoS 1, waits for what the broker says to it."""
        sent = self.client.publish(topic, payload, qos, retain)
        if qos:
            sent.wait_for_publish(SECONDS)

    def hears(self, *topics: str) -> bool:
        """Whether these topics arrive, among others."""
        with self._more:
            return self._more.wait_for(lambda: set(topics) <= {topic for topic, _ in self.heard}, SECONDS)

    def topics(self) -> list[str]:
        return sorted(topic for topic, _ in self.heard)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self.answer = reason
        self._answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._over.set()

    def _on_subscribe(self, *_: Any) -> None:
        self._granted.set()

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        with self._more:
            self.heard.append((message.topic, bytes(message.payload)))
            self._more.notify_all()


@contextmanager
def signed_in(
    port: int, user: str, password: str, client_id: str = "", version: str = "5", filters: Sequence[str] = ()
) -> Iterator[Session]:
    """A session that the broker let in."""
    session = Session(port, user, password, client_id, version)
    assert session.open(), session.answer
    try:
        if filters:
            session.subscribe(*filters)
        yield session
    finally:
        session.close()


def refused(port: int, user: str | None, password: str | None, version: str = "5") -> bool:
    """Whether the broker says to this user that it is not authorized."""
    session = Session(port, user, password, version=version)
    try:
        if session.open():
            return False
        assert session.answer is not None
        return session.answer.getName() in ("Not authorized", "Bad user name or password")
    finally:
        session.close()
