"""MQTT 3.1.1 packets by hand, to send what no client library would, and to see when the broker closes."""

import socket
import time
from dataclasses import dataclass


def text(value: str) -> bytes:
    """A length-prefixed UTF-8 string."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def length(number: int) -> bytes:
    """A remaining length."""
    out = b""
    while True:
        number, digit = divmod(number, 128)
        out += bytes([digit | (0x80 if number else 0)])
        if not number:
            return out


def packet(first: int, body: bytes) -> bytes:
    """A whole packet."""
    return bytes([first]) + length(len(body)) + body


def connect(flags: int, *payload: str, level: int = 4, name: str = "MQTT") -> bytes:
    """CONNECT; the payload begins with the client id."""
    body = text(name) + bytes([level, flags]) + (30).to_bytes(2, "big")
    return packet(0x10, body + b"".join(text(part) for part in payload))


def publish(topic: str, payload: bytes, id: int = 1, flags: int = 0x02) -> bytes:
    """PUBLISH at QoS 1."""
    return packet(0x30 | flags, text(topic) + id.to_bytes(2, "big") + payload)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the broker sent, and whether it closed the connection within the time."""

    heard: bytes
    closed: bool
    seconds: float


def tell(port: int, sent: bytes, within: float = 3.0) -> Outcome:
    """Send these bytes and listen until the broker closes, at most so many seconds."""
    heard, begin = b"", time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=within) as raw:
        try:
            raw.sendall(sent)
            while part := raw.recv(65_536):
                heard += part
        except TimeoutError:
            return Outcome(heard, closed=False, seconds=time.monotonic() - begin)
        except ConnectionError:
            pass
    return Outcome(heard, closed=True, seconds=time.monotonic() - begin)
