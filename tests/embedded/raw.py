"""A client made of bytes: it can say anything, right or wrong."""

import socket
import time
from types import TracebackType
from typing import Self

CONNACK, PUBLISH, PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 5, 7, 9, 11, 13


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2) + data


def packet(head: int, body: bytes = b"") -> bytes:
    return bytes([head]) + length(len(body)) + body


def length(value: int) -> bytes:
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes([digit | 0x80 if value else digit])
        if not value:
            return encoded


def connect(
    client_id: str | bytes,
    user: str | bytes | None = None,
    password: str | bytes | None = None,
    *,
    protocol: str = "MQTT",
    level: int = 4,
    flags: int = 0x02,
    keep_alive: int = 60,
    tail: bytes = b"",
) -> bytes:
    flags |= (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = text(protocol) + bytes([level, flags]) + keep_alive.to_bytes(2) + text(client_id) + tail
    for field in (user, password):
        body += text(field) if field is not None else b""
    return packet(0x10, body)


def publish(topic: str | bytes, data: bytes = b"", *, packet_id: int = 1, flags: int = 2) -> bytes:
    body = text(topic) + (packet_id.to_bytes(2) if flags & 6 else b"") + data
    return packet(0x30 | flags, body)


def subscribe(*filters: str | bytes, qos: int = 1, packet_id: int = 1) -> bytes:
    body = b"".join(text(topic_filter) + bytes([qos]) for topic_filter in filters)
    return packet(0x82, packet_id.to_bytes(2) + body)


class Raw:
    """A TCP connection that writes bytes and reads packets."""

    def __init__(self, port: int, first: bytes = b"", *, timeout: float = 5) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:
            self.send(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next packet: its type and its body. Raises EOFError when the connection is closed."""
        head = self._read(1)[0]
        size, shift = 0, 0
        while True:
            digit = self._read(1)[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return head >> 4, self._read(size)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                chunk = self.socket.recv(size - len(data))
            except ConnectionError:
                chunk = b""
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def answer(self) -> bytes | None:
        """The next packet with its type in front, or None when the connection is closed."""
        try:
            kind, body = self.receive()
        except EOFError:
            return None
        return bytes([kind]) + body

    def bytes_taken(self, data: bytes, most: int, *, every: float = 0) -> int:
        """Send `data` over and over: how much the broker takes before it closes, or stops reading."""
        sent = 0
        try:
            while sent < most:
                sent += self.socket.send(data)
                time.sleep(every)
        except OSError:
            pass
        return sent

    def seconds_until_closed(self) -> float:
        """How long the broker keeps the connection. Raises TimeoutError when it does not close it."""
        began = time.monotonic()
        while self.answer() is not None:
            pass
        return time.monotonic() - began
