"""HTTP as a modem sees it: what is sent, and every byte that comes back."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Received:
    """An answer; `head` is the status line and all headers with the empty line behind them."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """Its status code."""
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def size(self) -> int:
        """Bytes in a modem's buffer: all of it, and a NUL."""
        return len(self.head) + len(self.body) + 1


def exchange(port: int, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Received:
    """GET, or POST of a body, and the end of the connection."""
    own = {"Host": f"127.0.0.1:{port}", "Connection": "close"}
    if body is not None:
        own["Content-Length"] = str(len(body))
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**own, **headers}.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        received = b""
        while part := connection.recv(65_536):
            received += part
    head, end, rest = received.partition(b"\r\n\r\n")
    return Received(head + end, rest)
