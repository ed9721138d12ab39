"""Mosquitto with its dynamic security plugin, as `provisioning.brokers` knows a broker."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from provisioning import mqtt
from provisioning.dynsec import plan, records, wanted
from provisioning.dynsec.control import Control, NotDone
from provisioning.dynsec.plan import Found
from provisioning.dynsec.records import Json, User, Wanted

log = logging.getLogger(__name__)

SECONDS = 12.0
"""How long one call goes on: a task may take 25 s, and what is left is for the next try."""

TOGETHER = 50
"""Devices that are asked after in one message."""

SHOWN = 5
AGAIN_SECONDS = 5.0
"""Pause before a broker that could not be compared is compared again."""

_LOCK = zlib.crc32(b"keyseed dynsec")


class NoUser(ValueError):
    """A setting lacks the user or the password that the plugin has to know."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the plugin has of some devices."""

    clients: Mapping[UUID, Found]
    acls: Mapping[UUID, Sequence[Json]]


class Dynsec:
    """A Mosquitto that keeps its clients itself. `url`: where and as whom its plugin is told of changes."""

    def __init__(self, url: str) -> None:
        self._control = Control(url)
        self._whole_at = 0
        self._again_at = 0.0

    def credentials_changed(self) -> None:
        """Compares all that the plugin has with the database. Raises `NotDone`."""
        with _alone():
            end = time.monotonic() + SECONDS
            known = self._all()
            should = wanted.devices()
            self._bring(should.keys() | known.clients.keys() | known.acls.keys(), should, known, end)
            self._whole_at = self._control.connections

    def devices_changed(self, device_ids: Collection[UUID]) -> None:
        """The same for these devices only, whatever the size of the fleet. Raises `NotDone`."""
        with _alone():
            end = time.monotonic() + SECONDS
            self._bring(device_ids, wanted.devices(device_ids), self._some(device_ids), end)

    def kick(self, device_ids: Collection[UUID]) -> None:
        """Ends the live sessions of these devices. Raises `NotDone`.

        The plugin ends a client's sessions at any change of it, also at one that changes nothing; those of who may
        no longer sign in have ended already.
        """
        with _alone():
            known, end = self._some(device_ids), time.monotonic() + SECONDS
            for device_id, client in known.clients.items():
                _in_time(end)
                if client.enabled:
                    self._control.do([{"command": "modifyClient", "username": str(device_id)}])

    def tend(self) -> None:
        """Compares everything at the first call, and after a broker that may have lost its file. Raises `NotDone`."""
        whole = self._control.alive and self._whole_at == self._control.connections
        if whole or time.monotonic() < self._again_at:
            return
        try:
            self.credentials_changed()
        except Exception:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            raise

    def _bring(self, ids: Collection[UUID], should: Mapping[UUID, Wanted], known: _Known, end: float) -> None:
        """Those who may not get in first."""
        secrets = wanted.secrets(should)
        lost = []
        for device_id in sorted(ids, key=lambda one: (one in should and not should[one].blocked, one)):
            todo = plan.plan(
                settings.KEYSEED_MQTT_ROOT,
                device_id,
                should.get(device_id),
                known.clients.get(device_id),
                known.acls.get(device_id),
                secrets.get(device_id),
            )
            if todo.commands:
                _in_time(end)
                # One device a message: between two of them the broker serves everybody else.
                self._control.do(todo.commands)
            if todo.lost:
                lost.append(device_id)
        _tell(lost)

    def _all(self) -> _Known:
        clients = {
            device_id: _found(client)
            for client in self._control.every("listClients", "clients")
            if (device_id := records.device_of(client["username"]))
        }
        acls = {
            device_id: role.get("acls", [])
            for role in self._control.every("listRoles", "roles")
            if (device_id := records.owner_of(role["rolename"]))
        }
        return _Known(clients, acls)

    def _some(self, device_ids: Collection[UUID]) -> _Known:
        clients: dict[UUID, Found] = {}
        acls: dict[UUID, Sequence[Json]] = {}
        ids = list(device_ids)
        for start in range(0, len(ids), TOGETHER):
            some = ids[start : start + TOGETHER]
            asked = [{"command": "getClient", "username": str(id)} for id in some]
            asked += [{"command": "getRole", "rolename": records.role_name(id)} for id in some]
            answers: list[Any] = list(self._control.ask(asked))
            for id, client, role in zip(some, answers[: len(some)], answers[len(some) :], strict=True):
                if "data" in client:
                    clients[id] = _found(client["data"]["client"])
                if "data" in role:
                    acls[id] = role["data"]["role"].get("acls", [])
        return _Known(clients, acls)


def users() -> list[User]:
    """The service's own accounts, of MQTT_URL and KEYSEED_MOSQUITTO_DYNSEC; they may be one. Raises `NoUser`."""
    names = {"MQTT_URL": settings.MQTT_URL, "KEYSEED_MOSQUITTO_DYNSEC": settings.KEYSEED_MOSQUITTO_DYNSEC}
    found = []
    for name, url in names.items():
        address = mqtt.parse(url)
        if not address.user or not address.password:
            raise NoUser(f"{name} needs a user and a password: mqtt://user:password@host:port.")
        found.append((address.user, address.password))
    service, admin = found
    if service[0] != admin[0]:
        return [User(*service, topics=True), User(*admin, admin=True)]
    if service[1] != admin[1]:
        raise NoUser("MQTT_URL and KEYSEED_MOSQUITTO_DYNSEC name one user with two passwords.")
    return [User(*service, topics=True, admin=True)]


def _found(client: Mapping[str, Any]) -> Found:
    return Found(
        client.get("textname", ""),
        not client.get("disabled", False),
        [role["rolename"] for role in client.get("roles", [])],
        [group["groupname"] for group in client.get("groups", [])],
    )


def _in_time(end: float) -> None:
    if time.monotonic() > end:
        raise NotDone(
            "Mosquitto's dynamic security plugin has not been told of all devices yet: the rest follows."
        )


def _tell(lost: Sequence[UUID]) -> None:
    if lost:
        log.warning(
            "Mosquitto does not know the password of %d devices, and only its hash is known here (%s%s). Make them "
            "new passwords, or stop Mosquitto, write its file with `manage.py dynsec_file` and start it again.",
            len(lost),
            ", ".join(map(str, lost[:SHOWN])),
            ", …" if len(lost) > SHOWN else "",
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Who read the database first must not tell the broker last: a blocked device would be let in again.

    PostgreSQL keeps the lock for this connection, outside of any transaction; on SQLite there is one process.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
