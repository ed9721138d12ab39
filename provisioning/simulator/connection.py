"""One device's MQTT connection on asyncio, without a thread: the loop watches paho's socket.

It lives for one sign-in. After a reconnect paho would send what was in flight again by itself, before SUBACK;
with a new Connection for each sign-in the reference client alone decides what is repeated.
"""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE = 60  # seconds

# A device has one request outstanding; with faults there are a few copies of it.
MAX_INFLIGHT = 16


class Version(StrEnum):
    """The versions of MQTT (WIRE.md 1.5)."""

    V311 = "3.1.1"
    V5 = "5"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where devices connect to."""

    host: str
    port: int
    version: Version = Version.V311


def broker(url: str, version: Version = Version.V311) -> Broker:
    """The broker at `mqtt://host[:port]`. Raises ValueError on anything else."""
    hint = f"{url!r} is no address of a broker: use mqtt://host:port"
    parts = urlsplit(url)
    try:
        port = parts.port or 1883
    except ValueError as error:
        raise ValueError(hint) from error
    if parts.scheme != "mqtt" or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(hint)
    return Broker(parts.hostname, port, version)


class SignInRefused(ConnectionError):
    """The broker is there and does not let this device in; the text is its reason."""


class Listener(Protocol):
    """Who is told what happens; never from inside a call to the Connection."""

    def subscribed(self, granted: bool) -> None: ...
    def heard(self, topic: str, payload: bytes) -> None: ...
    def lost(self) -> None: ...


class Connection:
    """Signs in with the device id as user name and client id, in a clean session (WIRE.md 1.7)."""

    def __init__(self, at: Broker, device: str, secret: str, listener: Listener) -> None:
        self.at = at
        self.listener = listener
        self.loop = asyncio.get_running_loop()
        self.let_in: asyncio.Future[None] = self.loop.create_future()
        self.signed_in = False
        self.misc: asyncio.TimerHandle | None = None
        self.client = _client(at, device)
        self.client.username_pw_set(device, secret)
        self.client.max_inflight_messages_set(MAX_INFLIGHT)
        self.client.on_socket_open = _set_nodelay
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.on_disconnect = self._on_disconnect

    async def open(self, threads: Executor) -> None:
        """Connect and sign in. Raises OSError; SignInRefused is one."""
        # paho's connect blocks until TCP stands; name look-up and a far broker must not stop the others.
        await self.loop.run_in_executor(threads, self.client.connect, self.at.host, self.at.port, KEEPALIVE)
        # Only now, in the loop's own thread: before, the socket belonged to the thread above.
        self.client.on_socket_close = self._on_socket_close
        sock = self.client.socket()
        if sock is None:
            raise ConnectionError("the broker hung up")
        self.loop.add_reader(sock, self._readable)
        self._flush()
        self._keep_alive()
        await self.let_in

    def subscribe(self, filters: Iterable[str]) -> None:
        """Subscribe with QoS 1; the listener hears whether all were granted."""
        self.client.subscribe([(topic, 1) for topic in filters])
        self._flush()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1, not retained. On a lost connection nothing happens."""
        self.client.publish(topic, payload, qos=1)
        self._flush()

    def close(self) -> None:
        """Sign off, or hang up if that was not even possible; the listener is told nothing of it."""
        self.client.on_disconnect = None
        self.let_in.cancel()
        if self.misc is not None:
            self.misc.cancel()
        self.client.disconnect()
        sock = self.client.socket()
        if sock is not None:  # it did not even take the sign-off
            self._on_socket_close(self.client, None, sock)
            sock.close()

    # What the loop calls

    def _readable(self) -> None:
        self.client.loop_read()
        self._flush()

    def _writable(self) -> None:
        self.client.loop_write()
        sock = self.client.socket()
        if sock is not None and not self.client.want_write():
            self.loop.remove_writer(sock)

    def _flush(self) -> None:
        """paho writes at once; what the socket did not take waits for it."""
        sock = self.client.socket()
        if sock is not None and self.client.want_write():
            self.loop.add_writer(sock, self._writable)

    def _keep_alive(self) -> None:
        self.client.loop_misc()
        self._flush()
        self.misc = self.loop.call_later(KEEPALIVE / 4, self._keep_alive)

    # What paho calls. The listener may call back, which paho does not bear within its own calls.

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: Any,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Any,
    ) -> None:
        if self.let_in.done():
            return
        if reason.is_failure:
            self.let_in.set_exception(SignInRefused(f"the broker refused the sign-in: {reason}"))
        else:
            self.signed_in = True
            self.let_in.set_result(None)

    def _on_subscribe(
        self, client: mqtt.Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Any
    ) -> None:
        granted = not any(reason.is_failure for reason in reasons)
        self.loop.call_soon(self.listener.subscribed, granted)

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.loop.call_soon(self.listener.heard, message.topic, bytes(message.payload))

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: Any,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Any,
    ) -> None:
        if not self.let_in.done():
            self.let_in.set_exception(ConnectionError(f"the broker hung up: {reason}"))
        elif self.signed_in:
            self.loop.call_soon(self.listener.lost)

    def _on_socket_close(self, client: mqtt.Client, userdata: Any, sock: Any) -> None:
        self.loop.remove_reader(sock)
        self.loop.remove_writer(sock)


def _client(at: Broker, device: str) -> mqtt.Client:
    if at.version is Version.V5:
        # Clean start; without a session expiry interval the session ends with the connection (WIRE.md 1.7).
        return mqtt.Client(CallbackAPIVersion.VERSION2, device, protocol=MQTTProtocolVersion.MQTTv5)
    return mqtt.Client(
        CallbackAPIVersion.VERSION2, device, clean_session=True, protocol=MQTTProtocolVersion.MQTTv311
    )


def _set_nodelay(client: mqtt.Client, userdata: Any, sock: Any) -> None:
    """Without it Nagle's algorithm holds a small message back for up to 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
