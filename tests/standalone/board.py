"""A device, from WIRE.md alone: it signs in, asks, answers, and keeps everything that comes down to it."""

import json
import queue
import socket
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import cbor2
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

# Seconds that a test waits for an answer; a device would wait 10 (WIRE 6.3).
PATIENCE = 10.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Down:
    """A message to the device: the last words of its topic, and its payload."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    at: float

    @property
    def word(self) -> str:
        """`commands`, `accepted`, `rejected` or `notify`."""
        return self.topic.rsplit("/", 1)[1]

    @property
    def body(self) -> Any:
        """The decoded payload."""
        return cbor2.loads(self.payload) if "/cbor/" in self.topic else json.loads(self.payload)


class Refused(Exception):
    """The broker did not let it in."""


class Board:
    """A device's connection."""

    def __init__(
        self,
        port: int,
        id: str,
        secret: str | None,
        *,
        client_id: str | None = None,
        format: str = "json",
        clean: bool = True,
    ) -> None:
        self.port, self.id, self.secret, self.format = port, id, secret, format
        self.heard: queue.Queue[Down] = queue.Queue()
        self.kept: list[Down] = []
        self.lost_at: float | None = None
        self._signed_in: queue.Queue[int | str] = queue.Queue()
        self._granted: queue.Queue[list[int]] = queue.Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=id if client_id is None else client_id,
            clean_session=clean,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if secret is not None:
            self.client.username_pw_set(id, secret)
        self.client.on_connect = lambda c, u, f, reason, p: self._signed_in.put(reason.value)
        self.client.on_subscribe = lambda c, u, m, reasons, p: self._granted.put([r.value for r in reasons])
        self.client.on_message = self._take
        self.client.on_disconnect = self._lost
        self.client.on_socket_open = _without_delay

    def connect(self, subscribe: bool = True, timeout: float = PATIENCE) -> Self:
        """Sign in and subscribe to what is below the device's own topic.

        Raises:
            Refused: the broker said no, or closed the connection.
        """
        try:
            self.client.connect("127.0.0.1", self.port, keepalive=30)
        except (OSError, ConnectionError) as error:
            raise Refused(str(error)) from error
        self.client.loop_start()
        reason = self._wait(self._signed_in, timeout)
        if reason != 0:
            self.close()
            raise Refused(str(reason))
        if subscribe:
            granted = self.subscribe(f"prov/v1/{self.id}/#")
            assert granted == [1], granted
        return self

    def subscribe(self, *filters: str) -> list[int]:
        """Subscribe at QoS 1; the granted levels, 128 being a refusal."""
        self.client.subscribe([(filter, 1) for filter in filters])
        granted = self._wait(self._granted, PATIENCE)
        if granted is None:
            self.close()
            raise Refused("put out before SUBACK")
        return granted

    def _wait(self, answers: "queue.Queue[Answer]", timeout: float) -> Answer | None:
        """The broker's answer; None once the connection is lost or the time is over."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                return answers.get(timeout=0.05)
            except queue.Empty:
                if self.lost_at is not None:
                    return None
        return None

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait for the broker's PUBACK."""
        message = self.client.publish(topic, payload, qos, retain)
        message.wait_for_publish(PATIENCE)

    def say(self, word: str, body: Any, format: str | None = None) -> None:
        """Send `get` or `results`."""
        format = format or self.format
        payload = (
            body
            if isinstance(body, bytes)
            else cbor2.dumps(body)
            if format == "cbor"
            else json.dumps(body).encode()
        )
        self.publish(f"prov/v1/{self.id}/{format}/{word}", payload)

    def next(
        self, timeout: float = PATIENCE, *, words: tuple[str, ...] = ("commands", "accepted", "rejected")
    ) -> Down:
        """The next message with one of these words; others are kept."""
        end = time.monotonic() + timeout
        while True:
            down = self.heard.get(timeout=max(0.001, end - time.monotonic()))
            self.kept.append(down)
            if down.word in words:
                return down

    def silence(self, seconds: float) -> list[Down]:
        """Whatever came within so many seconds."""
        time.sleep(seconds)
        found = []
        while not self.heard.empty():
            found.append(self.heard.get())
        return found

    def ask(self, word: str, body: Any, format: str | None = None) -> Down:
        """Send and wait for the answer with the same `id`."""
        body = {"id": uuid.uuid4().hex} | body
        self.say(word, body, format)
        while True:
            down = self.next()
            if down.body.get("id") == body["id"]:
                return down

    def get(self, **body: Any) -> dict[str, Any]:
        """The body of the `commands` that answers a `get`."""
        down = self.ask("get", body)
        assert down.word == "commands", (down.topic, down.body)
        return dict(down.body)

    def results(self, *results: dict[str, Any]) -> dict[str, Any]:
        """The body of the `accepted` that answers `results`."""
        down = self.ask("results", {"results": list(results)})
        assert down.word == "accepted", (down.topic, down.body)
        return dict(down.body)

    def rejected(self, word: str, body: Any) -> dict[str, Any]:
        """The body of the `rejected` that answers this, whatever its id."""
        self.say(word, body)
        down = self.next()
        assert down.word == "rejected", (down.topic, down.payload)
        return dict(down.body)

    def wait_until_lost(self, timeout: float) -> float | None:
        """The monotonic time at which the connection ended; None if it stands."""
        end = time.monotonic() + timeout
        while self.lost_at is None and time.monotonic() < end:
            time.sleep(0.01)
        return self.lost_at

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.put(
            Down(message.topic, bytes(message.payload), message.retain, message.qos, time.monotonic())
        )

    def _lost(self, *_: object) -> None:
        self.lost_at = time.monotonic()


def _without_delay(client: mqtt.Client, data: object, stream: object) -> None:
    """Send small packets at once: a test of latency would else measure Nagle's."""
    if isinstance(stream, socket.socket):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def ok(id: str, value: Any = None) -> dict[str, Any]:
    """A result."""
    return {"id": id, "ok": True} | ({} if value is None else {"value": value})


def failed(id: str, code: int = 3, message: str = "no room") -> dict[str, Any]:
    """A failure."""
    return {"id": id, "ok": False, "error": {"code": code, "message": message}}
