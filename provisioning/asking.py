"""A broker that asks us over HTTP who may come in, and has an API by which sessions are ended: RabbitMQ, EMQX 5.

KEYSEED_BROKER_API says where that is.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from devices import outbox
from devices.models import OutboxRow

TIMEOUT = 5.0
"""Seconds for which an answer of the broker's API is waited for."""

AGAIN_SECONDS = 0.3
"""Who was let in just before it was blocked may be listed a moment later only."""

UNTAKEN = timedelta(seconds=90)
"""A row of the outbox that is due later than this has been claimed by nobody: a claim lasts 60 seconds."""

CHUNK = 100
PAGE, PAGES_MOST = 1000, 100

FORM = (
    "KEYSEED_BROKER_API must read rabbitmq+http://user:password@host:15672 or emqx+http://key:secret@host:18083, "
    "with https for TLS. Write / in a password as %2F."
)


class BadURL(ValueError):
    """KEYSEED_BROKER_API says something that we do not understand."""


class NotEnded(Exception):
    """The broker's API did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class API:
    """Where the API of a broker is, and who we are there."""

    kind: str
    host: str
    port: int
    tls: bool
    user: str
    password: str = field(repr=False)

    def connection(self) -> HTTPConnection:
        """Not opened yet."""
        made = HTTPSConnection if self.tls else HTTPConnection
        return made(self.host, self.port, timeout=TIMEOUT)

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        who = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {who}", "Content-Type": "application/json"}


def parse(url: str) -> API:
    """`rabbitmq+http://user:password@host:port`, or `emqx+…`, or `…+https`. Raises `BadURL`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What it says may quote the password.
        raise BadURL(FORM) from None
    kind, _, scheme = parts.scheme.partition("+")
    if kind not in PORTS or scheme not in ("http", "https") or parts.path.strip("/") or parts.query:
        raise BadURL(FORM)
    if not parts.hostname or not parts.username or not parts.password:
        raise BadURL(FORM)
    tls = scheme == "https"
    user, password = unquote(parts.username), unquote(parts.password)
    return API(kind, parts.hostname, port or PORTS[kind][tls], tls, user, password)


PORTS: Final[Mapping[str, tuple[int, int]]] = {"rabbitmq": (15672, 15671), "emqx": (18083, 18084)}
"""Where the APIs are when nobody says so, without and with TLS."""


class Asking:
    """A broker whose every sign-in comes by `provisioning.broker_http`."""

    def __init__(self, api: API) -> None:
        self._api = api

    def credentials_changed(self) -> None:
        """Nothing: the broker asks at the next sign-in."""

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Ends the live sessions of these devices. Raises `NotEnded`."""
        end = ENDS[self._api.kind]
        try:
            with closing(self._api.connection()) as connection:
                end(_Caller(connection, self._api), device_ids)
                time.sleep(AGAIN_SECONDS)
                end(_Caller(connection, self._api), device_ids)
        except (OSError, HTTPException, ValueError) as error:
            raise NotEnded(f"The broker's API does not answer ({type(error).__name__}).") from None


def end_at(device_id: UUID, until: datetime) -> None:
    """Has the device's sessions ended then, for a broker that does not end them by itself. Source: WIRE.md 9.2.

    One that is asked for earlier ends them all, and the device's next sign-in asks again.
    """
    if not settings.KEYSEED_BROKER_API:
        return
    now = timezone.now()
    asked = OutboxRow.objects.filter(
        kind=outbox.Kind.KICK.value, device_id=device_id, due_at__gt=now + UNTAKEN, due_at__lte=until
    )
    if not asked.exists():
        with transaction.atomic():
            outbox.put(outbox.Kind.KICK, [device_id], now, until)


class _Caller:
    """One request after the other on one connection."""

    def __init__(self, connection: HTTPConnection, api: API) -> None:
        self._connection, self._headers = connection, api.headers

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """What the API answers, None where it says nothing. Raises `NotEnded`, OSError, HTTPException, ValueError."""
        sent = None if body is None else json.dumps(body)
        self._connection.request(method, path, sent, headers=dict(self._headers))
        response = self._connection.getresponse()
        told = response.read()
        if response.status not in (200, 204):
            raise NotEnded(f"The broker's API answers {response.status}: check KEYSEED_BROKER_API.")
        return json.loads(told) if told and response.status == 200 else None


def _end_on_rabbitmq(call: _Caller, device_ids: Collection[UUID]) -> None:
    for device_id in device_ids:
        call("DELETE", f"/api/connections/username/{device_id}")


def _end_on_emqx(call: _Caller, device_ids: Collection[UUID]) -> None:
    client_ids = [client_id for device_id in device_ids for client_id in _emqx_sessions(call, device_id)]
    for chunk in _chunks(client_ids):
        call("POST", "/api/v5/clients/kickout/bulk", chunk)


def _emqx_sessions(call: _Caller, device_id: UUID) -> Iterator[str]:
    for page in range(1, PAGES_MOST + 1):
        found = call("GET", f"/api/v5/clients?username={device_id}&limit={PAGE}&page={page}") or {}
        yield from (client["clientid"] for client in found.get("data", ()))
        if not found.get("meta", {}).get("hasnext"):
            return


def _chunks(client_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(client_ids), CHUNK):
        yield client_ids[start : start + CHUNK]


ENDS: Final[Mapping[str, Callable[[_Caller, Collection[UUID]], None]]] = {
    "rabbitmq": _end_on_rabbitmq,
    "emqx": _end_on_emqx,
}
