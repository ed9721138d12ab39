"""Hears every command that a Redis gets: what Celery sends, and whatever else."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

from tests.servers import ports
from tests.servers.redis import Redis


class Ear:
    """`with Ear(redis) as ear:` keeps all of it in `ear.heard`, as MONITOR writes it."""

    def __init__(self, redis: Redis) -> None:
        self._socket = socket.create_connection((ports.HOST, redis.port))
        self._socket.sendall(f"AUTH {redis.password}\r\nMONITOR\r\n".encode())
        self._parts: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)

    @property
    def heard(self) -> bytes:
        """All so far."""
        return b"".join(self._parts)

    def _listen(self) -> None:
        while data := self._socket.recv(65_536):
            self._parts.append(data)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
