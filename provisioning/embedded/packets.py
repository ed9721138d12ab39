"""The bytes of one MQTT 3.1.1 packet from a client, read strictly. Pure: no I/O.

amqtt's own reading discards a bad packet and goes on in the middle of its bytes, takes text that is no UTF-8,
flags that are reserved and bytes that trail. So no packet reaches it that did not pass here; what did, it
reads without error.
"""

from dataclasses import dataclass, field
from typing import Final

CONNECT: Final = 0x10
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
PUBREL: Final = 0x62
SUBSCRIBE: Final = 0x82
UNSUBSCRIBE: Final = 0xA2
PINGREQ: Final = 0xC0
DISCONNECT: Final = 0xE0

_USER_NAME, _PASSWORD, _WILL, _CLEAN_SESSION, _RESERVED = 0x80, 0x40, 0x04, 0x02, 0x01
_WILL_DETAILS = 0x38


class Malformed(Exception):
    """The bytes are no packet that MQTT 3.1.1 lets a client send; the connection must end."""


class UnsupportedVersion(Exception):
    """A CONNECT of another version of MQTT: CONNACK 0x01 answers it."""


@dataclass(frozen=True, slots=True)
class Connect:
    """What a client says of itself in CONNECT. `user` and `password` are None where they are not given."""

    client_id: str
    user: str | None
    password: str | None = field(repr=False)
    clean_session: bool
    will: bool
    keep_alive: int


class _Fields:
    """The fields of a packet, taken one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = self._body[self._at : self._at + size]
        if len(taken) < size:
            raise Malformed("a field is longer than its packet")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def text(self) -> str:
        """MQTT 3.1.1 section 1.5.3: UTF-8 without surrogates and without NUL."""
        try:
            text = self.take(self.number(2)).decode()
        except UnicodeDecodeError:
            raise Malformed("text is not UTF-8") from None
        if "\0" in text:
            raise Malformed("text has a NUL")
        return text

    def packet_id(self) -> None:
        if self.number(2) == 0:
            raise Malformed("packet identifier 0")

    @property
    def left(self) -> bool:
        return self._at < len(self._body)

    def end(self) -> None:
        if self.left:
            raise Malformed("bytes trail behind the last field")


def read_connect(head: int, body: bytes) -> Connect:
    """The CONNECT in `body`, `head` being the first byte of its packet.

    Raises Malformed, or UnsupportedVersion where the bytes are a CONNECT of MQTT 3.1, 5 or a version to come.
    """
    if head != CONNECT:
        raise Malformed("the first packet is not a CONNECT")
    fields = _Fields(body)
    protocol = fields.text()
    if protocol not in ("MQTT", "MQIsdp"):
        raise Malformed("the protocol is not MQTT")
    level = fields.number(1)
    if (protocol, level) != ("MQTT", 4):
        raise UnsupportedVersion(f"{protocol} level {level}; only MQTT 3.1.1 is spoken here")
    flags, keep_alive = fields.number(1), fields.number(2)
    _check_connect_flags(flags)
    client_id = fields.text()
    if flags & _WILL:
        fields.text()
        fields.take(fields.number(2))
    user = fields.text() if flags & _USER_NAME else None
    password = fields.text() if flags & _PASSWORD else None
    fields.end()
    return Connect(client_id, user, password, bool(flags & _CLEAN_SESSION), bool(flags & _WILL), keep_alive)


def _check_connect_flags(flags: int) -> None:
    if flags & _RESERVED:
        raise Malformed("the reserved flag of CONNECT is set")
    if flags & _PASSWORD and not flags & _USER_NAME:
        raise Malformed("a password without a user name")
    if flags & _WILL_DETAILS and not flags & _WILL:
        raise Malformed("details of a will without a will")
    if flags & 0x18 == 0x18:
        raise Malformed("a will of QoS 3")


def check(head: int, body: bytes) -> None:
    """Pass a packet that a signed-in client may send, `head` being its first byte. Raises Malformed."""
    fields = _Fields(body)
    if head & 0xF0 == PUBLISH:
        return _check_publish(head, fields)
    if head in (PUBACK, PUBREL):
        fields.packet_id()
    elif head == SUBSCRIBE:
        _check_filters(fields, with_qos=True)
    elif head == UNSUBSCRIBE:
        _check_filters(fields, with_qos=False)
    elif head not in (PINGREQ, DISCONNECT):
        raise Malformed(f"a packet that starts with {head:#04x}")
    return fields.end()


def _check_publish(head: int, fields: _Fields) -> None:
    qos, duplicate = head >> 1 & 3, head & 8
    if qos == 3 or (duplicate and not qos):
        raise Malformed("flags of PUBLISH that exclude each other")
    topic = fields.text()
    if not topic or "+" in topic or "#" in topic:
        raise Malformed("a topic that is empty or has wildcards")
    if qos:
        fields.packet_id()


def _check_filters(fields: _Fields, *, with_qos: bool) -> None:
    fields.packet_id()
    if not fields.left:
        raise Malformed("a list of no filters")
    while fields.left:
        if not fields.text():
            raise Malformed("an empty filter")
        if with_qos and fields.number(1) > 2:
            raise Malformed("a QoS above 2")
