"""A's device at the broker: it sends to every topic of B's device, and asks to hear each of them."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from provisioning.isolation.api import Refused
from provisioning.isolation.material import Side
from provisioning.isolation.verdict import Row, Verdict
from provisioning.isolation.walk import World

ANSWER = 20.0  # seconds for what must come
SILENCE = 3.0  # seconds in which nothing must come

SENT = (
    "json/get",
    "json/results",
    "cbor/get",
    "cbor/results",
    "nrf/get",
    "nrf/results",
    "json/commands",
    "notify",
)


class Device:
    """A device that is signed in; `heard` is every message."""

    def __init__(self, url: str, own: Side) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise Refused(f"{url!r} is no address of a broker: use mqtt://host:port or mqtts://host:port")
        self.id = own.ids["device_id"]
        self.heard: list[tuple[str, bytes]] = []
        self._answered = threading.Event()
        self._granted = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, self.id)
        self._client.username_pw_set(self.id, own.secret)
        if parts.scheme == "mqtts":
            self._client.tls_set_context(ssl.create_default_context())
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._code = "nothing"
        try:
            self._client.connect(parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        except OSError as error:
            raise Refused(f"{url} does not answer: {error}") from None
        self._client.loop_start()

    def _connected(
        self, _client: object, _data: object, _flags: object, code: ReasonCode, _more: object
    ) -> None:
        self._code = str(code)
        if not code.is_failure:
            self._answered.set()

    def ready(self) -> None:
        """Waits until it is signed in. Raises `Refused`."""
        if not self._answered.wait(ANSWER):
            raise Refused(f"the broker answers {self._code} to device {self.id}, which just got its password")

    def subscribe(self, topic: str) -> None:
        """Asks for a topic; refused or not, it is waited for no longer than for silence."""
        self._granted.clear()
        self._client.subscribe(topic, 1)
        self._granted.wait(SILENCE)

    def publish(self, topic: str, payload: bytes) -> None:
        """Sends; a broker may end the connection for it."""
        sent = self._client.publish(topic, payload, 1)
        end = time.monotonic() + SILENCE
        while not sent.is_published() and time.monotonic() < end:
            time.sleep(0.02)

    def hears(self, text: str, seconds: float) -> bool:
        """Whether a message on such a topic, or with this in it, comes within so many seconds."""
        end = time.monotonic() + seconds
        while not self.has(text) and time.monotonic() < end:
            time.sleep(0.05)
        return self.has(text)

    def has(self, text: str) -> bool:
        """Whether such a message came."""
        return any(text in topic or text.encode() in payload for topic, payload in list(self.heard))

    def close(self) -> None:
        """Ends the connection."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def connected(url: str, own: Side) -> Iterator[Device]:
    """The tenant's device, signed in. Raises `Refused`."""
    device = Device(url, own)
    try:
        device.ready()
        yield device
    finally:
        device.close()


def rows(world: World, url: str, root: str) -> Iterator[Row]:
    """All that A's device tries, and what B's hears and is told of meanwhile. Raises `Refused`."""
    with connected(url, world.b) as b:
        b.subscribe(f"{root}/{b.id}/#")
        yield from _sent(world, url, root, b)
        yield from _heard(world, url, root, b)


def _sent(world: World, url: str, root: str, b: Device) -> Iterator[Row]:
    """What A sends to B's topics reaches neither B nor the service in B's name."""
    before = _timeline(world)
    marker = secrets.token_hex(8)
    for end in SENT:
        topic = f"{root}/{b.id}/{end}"
        with connected(url, world.a) as a:
            a.publish(topic, json.dumps({"c": marker}).encode())
        yield _row(f"publish {end} of B", "it reached B" if b.has(marker) else "")
    with connected(url, world.a) as a:
        a.subscribe(f"{root}/{a.id}/#")
        yield _control(a, root, "its own get is answered")
    reached = "B heard of it" if b.hears(marker, SILENCE) or b.heard else ""
    yield _row("all of them", reached or ("" if _timeline(world) == before else "B's timeline tells of it"))


def _heard(world: World, url: str, root: str, b: Device) -> Iterator[Row]:
    """What is B's reaches no subscription of A."""
    with connected(url, world.a) as a:
        for topic in filters(root, b.id):
            a.subscribe(topic)
        yield _control(b, root, "B's own get is answered")
        a.hears(b.id, SILENCE)
        for topic in filters(root, b.id):
            yield _row(f"subscribe {topic.replace(b.id, '(B)')}", _foreign(a, b))
    for topic in filters(root, b.id):
        with connected(
            url, world.a
        ) as a:  # a broker that ends the connection for one must not spare the others
            a.subscribe(topic)
            b.publish(f"{root}/{b.id}/json/results", b'{"results": []}')
            a.hears(b.id, 0.3)
            yield _row(f"subscribe only {topic.replace(b.id, '(B)')}", _foreign(a, b))


def _foreign(a: Device, b: Device) -> str:
    return "it heard B" if a.has(b.id) else ""


def filters(root: str, device: str) -> Sequence[str]:
    """Every way to ask for what is another device's."""
    levels = "/".join("+" for _ in f"{root}/x/y/z".split("/"))
    own = (
        f"{root}/{device}/#",
        f"{root}/{device}/+/commands",
        f"{root}/{device}/notify",
        f"{root}/{device}/json/get",
    )
    wide = ("#", f"{root}/#", f"{root}/+/#", f"{root}/+/+/commands", f"{root}/+/json/get", levels)
    return (*own, *wide, *(f"$share/mine/{topic}" for topic in (own[0], own[1], "#", f"{root}/+/+/get")))


def _control(device: Device, root: str, asked: str) -> Row:
    """That the service answers at all: else silence proves nothing."""
    marker = secrets.token_hex(8)
    device.publish(f"{root}/{device.id}/json/get", json.dumps({"c": marker}).encode())
    came = device.hears(f"{root}/{device.id}/json/commands", ANSWER)
    verdict = Verdict.OPEN if came else Verdict.UNPROVEN
    return Row("MQTT", "device", asked, 0, verdict, "" if came else "the service does not answer devices")


def _row(asked: str, why: str) -> Row:
    return Row("MQTT", "device of A", asked, 0, Verdict.LEAK if why else Verdict.CLOSED, why)


def _timeline(world: World) -> bytes:
    path = f"/v1/claimed-devices/{world.b.ids['device_id']}/timeline"
    return world.api.send("GET", path, world.b.key).content
