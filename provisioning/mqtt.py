"""Makes the service's MQTT clients from MQTT_URL, all with the same care. The only other users of paho are
`gateway`, `publisher`, `takeover` and the simulator."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

KEEPALIVE = 30
"""Seconds."""

VERSIONS = {"3.1.1": MQTTv311, "5": MQTTv5}

_FORM = (
    "MQTT_URL must read mqtt://user:password@host:port, with ?version=3.1.1 or 5 if need be. "
    "Write / in a password as %2F."
)


class BadURL(ValueError):
    """MQTT_URL says something that we do not understand."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and how the service signs in."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    version: str

    @property
    def five(self) -> bool:
        """Whether to speak MQTT 5."""
        return self.version == "5"


def parse(url: str) -> Address:
    """`mqtt://user:password@host:port?version=5`, or `mqtts`. Raises `BadURL`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What it says may quote the password.
        raise BadURL(_FORM) from None
    version = parse_qs(parts.query).get("version", ["5"])[-1]
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or version not in VERSIONS:
        raise BadURL(_FORM)
    tls = parts.scheme == "mqtts"
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return Address(parts.hostname, port or (8883 if tls else 1883), tls, user, password, version)


def client(address: Address, client_id: str, manual_ack: bool = False) -> Client:
    """A client that is not connected yet."""
    made = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if address.five else True,
        protocol=VERSIONS[address.version],
        manual_ack=manual_ack,
    )
    # paho sends 20 at a time and queues the rest unless told so before it connects.
    made.max_inflight_messages_set(65_535)
    made.on_socket_open = _no_delay
    if address.user is not None:
        made.username_pw_set(address.user, address.password)
    if address.tls:
        made.tls_set()
    return made


def connect(
    made: Client, address: Address, *, receive_maximum: int = 65_535, keepalive: int = KEEPALIVE
) -> None:
    """Connects without a session: the service relies on none (WIRE.md 1.4)."""
    if not address.five:
        made.connect(address.host, address.port, keepalive)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = receive_maximum
    made.connect(address.host, address.port, keepalive, clean_start=True, properties=properties)


def _no_delay(made: Client, userdata: object, opened: object) -> None:
    # Nagle's algorithm and delayed acknowledgements together cost an idle echo 87 ms at its 99th percentile.
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
