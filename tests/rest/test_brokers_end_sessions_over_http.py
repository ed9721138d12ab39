"""EMQX 5 and RabbitMQ are asked by their APIs to end sessions. A server plays EMQX as its documents have it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings

from provisioning import asking, brokers
from provisioning.asking import BadURL, NotEnded
from tests.servers import ports

WHO = "key:a secret/with ümlaut"


class Emqx(BaseHTTPRequestHandler):
    """`/api/v5/clients` and `/api/v5/clients/kickout/bulk`, for who has the key."""

    protocol_version = "HTTP/1.1"
    clients: ClassVar[dict[str, str]] = {}
    page: ClassVar = 2

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        mine = sorted(client for client, user in self.clients.items() if user in asked["username"])
        start = (int(asked["page"][0]) - 1) * self.page
        found = [{"clientid": client} for client in mine[start : start + self.page]]
        self._answer(200, {"data": found, "meta": {"hasnext": start + self.page < len(mine)}})

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/api/v5/clients/kickout/bulk"
        for client in given:
            self.clients.pop(client, None)
        self._answer(204, None)

    def _answer(self, status: int, body: Any) -> None:
        if b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode() != WHO:
            status, body = 401, {"code": "BAD_API_KEY_OR_SECRET"}
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def emqx() -> Iterator[int]:
    """Its port."""
    Emqx.clients.clear()
    with ThreadingHTTPServer((ports.HOST, 0), Emqx) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def url(port: int, secret: str = "a%20secret%2Fwith%20%C3%BCmlaut") -> str:
    return f"emqx+http://key:{secret}@{ports.HOST}:{port}"


def test_all_sessions_of_a_device_end_and_no_others(emqx: int, settings: Settings) -> None:
    settings.KEYSEED_BROKER_API = url(emqx)
    one, two, other = uuid4(), uuid4(), uuid4()
    Emqx.clients.update({f"{one}-{number}": str(one) for number in range(5)})
    Emqx.clients.update({str(two): str(two), str(other): str(other)})
    broker = brokers.current()
    broker.credentials_changed()
    assert len(Emqx.clients) == 7
    broker.kick([one, two, uuid4()])
    assert Emqx.clients == {str(other): str(other)}


def test_an_api_that_refuses_or_is_away_is_told_without_its_secret(emqx: int) -> None:
    for wrong in (url(emqx, "wrong-secret"), url(1, "wrong-secret"), url(emqx).replace("emqx+", "rabbitmq+")):
        with pytest.raises(NotEnded) as told:
            asking.Asking(asking.parse(wrong)).kick([uuid4()])
        assert "secret" not in str(told.value)


def test_the_address_of_an_api_is_read() -> None:
    api = asking.parse("rabbitmq+https://user:p%40ss@broker.example")
    assert (api.kind, api.host, api.port, api.tls) == ("rabbitmq", "broker.example", 15671, True)
    assert (api.user, api.password) == ("user", "p@ss")
    assert "p@ss" not in repr(api)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "http://a:b@host",
        "emqx+http://host",
        "emqx+http://a:b@host/api",
        "emqx+http://a:b@host:x",
        "x+http://a:b@h",
    ],
)
def test_what_is_no_address_is_refused_without_quoting_it(wrong: str) -> None:
    with pytest.raises(BadURL) as told:
        asking.parse(wrong)
    assert "a:b" not in str(told.value)
