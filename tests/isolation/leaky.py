"""A proxy before a real installation that gives something of B away, in one way at a time."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FEW = ("/v1/tenant", "/v1/claimed-devices", "/v1/claimed-devices/{device_id}")
"""Enough of the document to leak in every way."""

Got = tuple[int, dict[str, str], bytes]
Leak = Callable[["Proxy", str, str, Mapping[str, str], bytes], Got]


class Proxy:
    """Passes requests on; A and B are the keys of the two owners."""

    def __init__(self, port: int, a: str, b: str, leak: Leak) -> None:
        self.port, self.a, self.b, self.leak = port, a, b, leak

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def is_a(self, headers: Mapping[str, str]) -> bool:
        return headers.get("Authorization") == f"Bearer {self.a}"

    def as_b(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self.b}"}

    def is_foreign(self, method: str, path: str, headers: Mapping[str, str], got: Got) -> bool:
        """Whether A was told 404 about something that B has."""
        if got[0] != 404 or not self.is_a(headers):
            return False
        return self.send("GET", path, self.as_b(headers), b"")[0] == 200


def nothing(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    return proxy.send(method, path, headers, body)


def objects(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """What A has not is looked for everywhere."""
    got = proxy.send(method, path, headers, body)
    return (
        proxy.send(method, path, proxy.as_b(headers), body) if got[0] == 404 and proxy.is_a(headers) else got
    )


def words(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """A 404 says that somebody else has it."""
    status, named, content = got = proxy.send(method, path, headers, body)
    if not proxy.is_foreign(method, path, headers, got):
        return got
    return status, named, json.dumps({**json.loads(content), "message": "It is another tenant's."}).encode()


def statuses(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """403 where another has it, 404 where nobody has."""
    got = proxy.send(method, path, headers, body)
    return (403, *got[1:]) if proxy.is_foreign(method, path, headers, got) else got


def times(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """The same answer, later."""
    got = proxy.send(method, path, headers, body)
    if proxy.is_foreign(method, path, headers, got):
        time.sleep(0.015)
    return got


def lists(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """A's search goes through everybody's devices."""
    whose = proxy.as_b(headers) if proxy.is_a(headers) and "search=" in path else headers
    return proxy.send(method, path, whose, body)


def roles(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """Every key does what an owner's does."""
    got = proxy.send(method, path, headers, body)
    if got[0] == 403:
        return proxy.send(method, path, {**headers, "Authorization": f"Bearer {proxy.a}"}, body)
    return got


def strangers(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """Reading needs no key."""
    got = proxy.send(method, path, headers, body)
    return proxy.send(method, path, proxy.as_b(headers), body) if got[0] == 401 and method == "GET" else got


def writes(proxy: Proxy, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Got:
    """It says 404 and does it all the same."""
    got = proxy.send(method, path, headers, body)
    if method == "PATCH" and proxy.is_foreign(method, path, headers, got):
        proxy.send(method, path, proxy.as_b(headers), body)
    return got


LEAKS: tuple[Leak, ...] = (objects, words, statuses, times, lists, roles, strangers, writes)


def trimmed(content: bytes) -> bytes:
    """The document with few paths."""
    document: dict[str, Any] = json.loads(content)
    document["paths"] = {path: said for path, said in document["paths"].items() if path in FEW}
    return json.dumps(document).encode()


@contextmanager
def serving(proxy: Proxy) -> Iterator[str]:
    """The proxy's address while it runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = ("Authorization", "Accept", "Content-Type")
            headers = {name: self.headers[name] for name in kept if self.headers[name]}
            status, named, content = proxy.leak(proxy, self.command, self.path, headers, body)
            if self.path == "/v1/openapi.json":
                content = trimmed(content)
            self.send_response(status)
            if "content-type" in named:
                self.send_header("Content-Type", named["content-type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
