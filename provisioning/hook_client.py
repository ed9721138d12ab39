"""Posts one body to a webhook: to the address that was checked, over TLS, within `SECONDS` in all.

Redirects are not followed, and proxies of the environment are not used: both would lead elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import cast

from django.conf import settings

from devices import hook_addresses
from devices.hook_addresses import HOW, Network, Target
from tenants.errors import Refusal

SECONDS = 5.0
"""From looking up the name to the end of the answer."""

ANSWER_MOST = 64 * 1024
"""Bytes of an answer that are read, its head included; an answer that goes on is cut off."""


class NotTaken(Exception):
    """The receiver did not take it. The text is for the tenant: no address and no word of the answer is in it."""


def signature(secrets: Sequence[str], at: int, body: bytes) -> str:
    """The value of `Keyseed-Signature`: `at` is in seconds since 1970, each secret gives a `v1`."""
    signed = b"%d." % at + body
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={one}" for one in made)])


@dataclass(frozen=True, slots=True)
class Client:
    """What a post needs; `allowed` are networks that may be reached although they are not public."""

    allowed: Sequence[Network]
    tls: ssl.SSLContext

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns if the receiver answered 2xx. Raises NotTaken."""
        clock = _Clock(time.monotonic() + SECONDS)
        try:
            target = hook_addresses.check_url(url, self.allowed)
            with self._connected(target, clock) as stream:
                clock.limit(stream)
                stream.sendall(_request(target, body, headers))
                _check(_Answer(stream, clock))
        except Refusal as refused:
            raise NotTaken(refused.message) from None
        except TimeoutError:
            raise NotTaken(f"It did not answer whole within {SECONDS:.0f} s.") from None
        except ssl.SSLCertVerificationError as error:
            raise NotTaken(f"Its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise NotTaken(f"TLS failed: {error.reason or 'the connection was closed'}.") from None
        except HTTPException:
            raise NotTaken("What it answered is not HTTP.") from None
        except OSError as error:
            raise NotTaken(f"The connection failed: {error.strerror or type(error).__name__}.") from None

    def _connected(self, target: Target, clock: _Clock) -> ssl.SSLSocket:
        """A TLS connection to the first address of the name that answers."""
        addresses = self._addresses(target, clock)
        while True:
            family, address = addresses.pop(0)
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.settimeout(clock.left() / (len(addresses) + 1))
                plain.connect(address)
                clock.limit(plain)
                return self.tls.wrap_socket(plain, server_hostname=target.host)
            except ssl.SSLError:
                plain.close()
                raise
            except OSError:
                plain.close()
                if not addresses:
                    raise

    def _addresses(self, target: Target, clock: _Clock) -> list[tuple[int, _Address]]:
        """Everything that the name resolves to, all of it allowed: what is asked once cannot change behind it."""
        found = _resolve(target, clock)
        if not all(hook_addresses.reachable(str(address[0]), self.allowed) for _, address in found):
            raise NotTaken(f"Its name leads to an address that is not one of the public internet. {HOW}")
        return found


_Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def configured() -> Client:
    """A client as the settings want it. Raises ValueError and OSError where they are unfit."""
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.KEYSEED_WEBHOOK_CA:
        tls.load_verify_locations(settings.KEYSEED_WEBHOOK_CA)
    return Client(hook_addresses.networks(settings.KEYSEED_WEBHOOK_ALLOW), tls)


@dataclass(frozen=True, slots=True)
class _Clock:
    """When the whole attempt ends, in monotonic seconds."""

    end: float

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError when there are none."""
        if (left := self.end - time.monotonic()) <= 0:
            raise TimeoutError
        return left

    def limit(self, stream: socket.socket) -> None:
        """What the socket does next ends by then."""
        stream.settimeout(self.left())


def _resolve(target: Target, clock: _Clock) -> list[tuple[int, _Address]]:
    """Asked in a thread of its own: a resolver keeps its own time."""
    answer: queue.SimpleQueue[list[tuple[int, _Address]]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            answer.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError):
            answer.put([])

    threading.Thread(target=ask, name="webhook name", daemon=True).start()
    try:
        found = answer.get(timeout=clock.left())
    except queue.Empty:
        raise TimeoutError from None
    if not found:
        raise NotTaken("Its name does not resolve to an address.")
    return found


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": target.authority,
        "User-Agent": "keyseed",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


def _check(answer: _Answer) -> None:
    response = HTTPResponse(cast("socket.socket", answer), method="POST")
    try:
        response.begin()
        status = response.status
        if 300 <= status < 400:
            raise NotTaken(
                f"It answered {status}: redirects are not followed. Give the webhook the new address."
            )
        if not 200 <= status < 300:
            raise NotTaken(f"It answered {status}; only 2xx means that it took the event.")
        try:
            while response.read(8192):
                pass
        except _TooLong:
            return
    except _TooLong:
        raise NotTaken("The head of its answer is too long.") from None
    finally:
        response.close()


class _TooLong(Exception):
    """The answer goes on behind `ANSWER_MOST`."""


class _Answer(io.RawIOBase):
    """What `HTTPResponse` takes for a socket: every read of it ends with the clock, and all of them with the limit."""

    def __init__(self, stream: socket.socket, clock: _Clock) -> None:
        self._stream, self._clock, self._room = stream, clock, ANSWER_MOST

    def makefile(self, mode: str) -> io.BufferedReader:
        """The only thing that `HTTPResponse` asks of it."""
        return io.BufferedReader(self, 8192)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives a memoryview
        if not self._room:
            raise _TooLong
        self._clock.limit(self._stream)
        read = self._stream.recv_into(buffer[: self._room])
        self._room -= read
        return read
