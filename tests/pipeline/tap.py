"""A wire tap between a client and its broker: passes every byte on, and reads what the client acknowledges."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers import ports

PUBACK = 4
"""The packet type, the upper half of a packet's first byte. Source: MQTT 3.1.1 and 5, section 2.2.1 / 2.1.2."""


class Tap:
    """`with Tap(port) as tap:` listens on `tap.port`; `acknowledged` has the packet ids, a list a connection."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server((ports.HOST, 0))
        self._open: list[socket.socket] = []
        self._closed = False
        self.port = int(self._listener.getsockname()[1])
        self.acknowledged: list[list[int]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def url(self, url: str) -> str:
        """The broker's address by way of the tap."""
        return url.replace(f":{self._target}", f":{self.port}")

    def cut(self) -> None:
        """Ends every connection, as a network does: without a word."""
        for end in self._open:
            _end(end)
        self._open.clear()

    def _listen(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
                broker = socket.create_connection((ports.HOST, self._target))
            except OSError:
                continue
            self._open += [client, broker]
            ids: list[int] = []
            self.acknowledged.append(ids)
            threading.Thread(target=self._pass_on, args=(client, broker, ids), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(broker, client, None), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, ids: list[int] | None) -> None:
        kept = b""
        try:
            while data := source.recv(65_536):
                if ids is not None:
                    kept = _read(kept + data, ids)
                target.sendall(data)
        except OSError:
            pass
        _end(source)
        _end(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        _end(self._listener)
        self.cut()


def _read(data: bytes, ids: list[int]) -> bytes:
    """Takes whole packets off `data`, notes the ids of PUBACKs, returns the rest."""
    while len(data) >= 2:
        size, shift, head = 0, 0, 1
        while True:
            if head >= len(data):
                return data
            byte = data[head]
            size |= (byte & 0x7F) << shift
            head, shift = head + 1, shift + 7
            if not byte & 0x80:
                break
        if len(data) < head + size:
            return data
        if data[0] >> 4 == PUBACK:
            ids.append(int.from_bytes(data[head : head + 2]))
        data = data[head + size :]
    return data


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
