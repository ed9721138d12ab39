"""Nordic's client over HTTP: one connection a request, every header of its own.

Source: nrf_provisioning_http of the nRF Connect SDK; WIRE.md 9.
"""

import io
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import socket
from typing import Protocol, cast
from urllib.parse import urlsplit

from provisioning.simulator.nordic import Ask, Busy, NotClaimed, NotServed, Refused, TooLarge
from provisioning.simulator.nordic_codec import Settings

GET = "/v1/provisioning/commands"
POST = "/v1/provisioning/response"

CHUNK = 65_536
ENOUGH = 1_048_576  # bytes; a service that sends more is not read to its end


class Signer(Protocol):
    """Who makes the bearer token of each request."""

    def jwt(self) -> str: ...


class HttpTransport:
    """`url` is `http://host[:port]`, or `https:`. Raises ValueError for anything else.

    `received` is the size of the last answer with its status line and headers, `headers` of these alone.
    """

    def __init__(self, url: str, signer: Signer, timeout: float = 30) -> None:
        self.kind, self.host, self.port = _address(url)
        self.signer = signer
        self.timeout = timeout
        self.received = 0
        self.headers = 0

    def get(self, ask: Ask) -> bytes | None:
        """As Transport: 200 with commands, 204 for none."""
        settings = ask.settings
        query = (
            f"after={ask.after}&rxMaxSize={settings.rx}&txMaxSize={settings.tx}"
            f"&mver={settings.mver}&cver={settings.cver}"
        )
        query += "" if ask.limit is None else f"&limit={ask.limit}"
        headers = {"Accept": "application/cbor", "Content-Type": "*/*"}
        status, body = self._exchange("GET", f"{GET}?{query}", headers, None, settings)
        if status == 204:
            return None
        _check(status, body)
        return body

    def report(self, responses: bytes, settings: Settings) -> None:
        """As Transport: nothing but 200 means that they are stored."""
        headers = {"Content-Type": "application/cbor", "Accept": "*/*"}
        status, body = self._exchange("POST", POST, headers, responses, settings)
        _check(status, body)

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, settings: Settings
    ) -> tuple[int, bytes]:
        connection = self.kind(self.host, self.port, timeout=self.timeout)
        try:
            self._send(connection, method, target, headers, body)
            raw = _everything(connection)
        except TimeoutError as error:
            raise Busy(f"no answer, or no end of it, in {self.timeout:g} s") from error
        finally:
            connection.close()
        self.received = len(raw)
        self.headers = raw.find(b"\r\n\r\n") + 4
        if self.received + 1 > settings.rx:
            raise TooLarge(
                f"An answer of {self.received} bytes ({self.headers} of them headers) and a NUL does not fit "
                f"the receive buffer of {settings.rx}."
            )
        return _read(raw, method)

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> None:
        connection.putrequest(method, target, skip_accept_encoding=True)
        own = {
            "Authorization": f"Bearer {self.signer.jwt()}",
            "User-Agent": "Zephyr/4.1.99 (nrf9151dk)",
            "Connection": "close",
        }
        for name, value in {**headers, **own}.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)


def _address(url: str) -> tuple[type[HTTPConnection], str, int | None]:
    hint = f"{url!r} is no address of a service: use http://host:port"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(hint) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(hint)
    return HTTPSConnection if parts.scheme == "https" else HTTPConnection, parts.hostname, port


def _everything(connection: HTTPConnection) -> bytes:
    """Every byte up to the end of the connection, which the client asked for, as they came."""
    parts: list[bytes] = []
    while sum(map(len, parts)) < ENOUGH and (part := connection.sock.recv(CHUNK)):
        parts.append(part)
    return b"".join(parts)


class _Replay:
    """A socket of which only reading is left."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.raw)


def _read(raw: bytes, method: str) -> tuple[int, bytes]:
    response = HTTPResponse(cast("socket", _Replay(raw)), method=method)
    try:
        response.begin()
        body = response.read()
    except HTTPException as error:
        raise Refused("HTTP", f"the answer is none, or not whole: {error!r}") from error
    if response.getheader("Content-Encoding"):
        raise Refused("HTTP", "the answer is compressed, and the device cannot open it")
    return response.status, body


def _check(status: int, body: bytes) -> None:
    """Everything that is not 200 ends the library's work, but for 500."""
    if status == 200:
        return
    said: NotServed
    text = body[:200].decode(errors="replace")
    if status in {401, 403}:
        said = NotClaimed(f"{status}: {text}")
    elif status == 500:
        said = Busy(f"{status}: {text}")
    else:
        said = Refused(status, text)
    raise said
