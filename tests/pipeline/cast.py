"""The cast: a fleet owner, her devices as they speak on the wire, and what the service said to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.utils import timezone

from commands import catalogue, rules, sealing, services, store
from commands.models import Command
from commands.services import New
from commands.status import status
from devices import services as device_services
from devices import store as devices
from devices.models import Device as DeviceModel
from devices.models import Tag, TimelineEntry
from devices.status import Status
from provisioning.messages import Inbound, Outbound
from tenants.models import Tenant
from tests.bench import material

Request = Mapping[str, object]

ROOT = "prov/v1"
WHO = "api key ann"
PSK = "5eC12e7" + "a" * 57
CONFIG: Request = {"config": {"interval": "60"}}
FINISHED: Request = {"finished": {}}
CLOUD_KEY: Request = {"cloudAccessKeyGeneration": {"secTag": 7}}
SHARED_KEY: Request = {"preSharedKey": {"secTag": 5, "identity": "pump-17", "secret": PSK}}


@cache
def five() -> list[dict[str, object]]:
    """A key, a request, a CA, a config, the end."""
    return material.requests(material.authority())


@cache
def made() -> Sequence[material.Made]:
    """Real keys and requests for devices to answer with."""
    return material.pool()


@dataclass(frozen=True, slots=True)
class Device:
    """A device of one tenant, by what it says."""

    tenant_id: UUID
    id: UUID

    def add(self, *requests: Request) -> list[UUID]:
        """Its owner puts commands at the end of its list."""
        given = [New(request) for request in requests]
        return [command.id for command in services.add(self.tenant_id, self.id, given, WHO)]

    def topic(self, end: str) -> str:
        return f"{ROOT}/{self.id}/{end}"

    def get(self, at: datetime | None = None, **body: object) -> Inbound:
        return self.says("get", json.dumps(body).encode(), at)

    def results(self, words: Mapping[str, object], at: datetime | None = None, **body: object) -> Inbound:
        """`words` by correlation id: None for success, a mapping for a value, a number for a failure."""
        results = [_result(name, word) for name, word in words.items()]
        return self.says("results", json.dumps({**body, "results": results}).encode(), at)

    def says(self, verb: str, payload: bytes, at: datetime | None = None) -> Inbound:
        return Inbound(self.topic(f"json/{verb}"), payload, at or timezone.now())

    @property
    def row(self) -> DeviceModel:
        """What the database has of it now."""
        return DeviceModel.objects.get(id=self.id)

    def timeline(self, kind: str) -> list[dict[str, Any]]:
        """The data of its entries of this kind, oldest first."""
        found = TimelineEntry.objects.filter(device_id=self.id, kind=kind).order_by("id")
        return list(found.values_list("data", flat=True))

    def assert_status_holds(self) -> None:
        """Law 1: the stored status is what the list says."""
        row = devices.row(self.row)
        run = store.load({self.id: row})[self.id].run
        assert row.status == status(run).value


def owner(name: str = "ann") -> Tenant:
    """A tenant of her own."""
    return Tenant.objects.get_or_create(name=name)[0]


def device(tenant: Tenant, *requests: Request, tags: Sequence[str] = (), **fields: str) -> Device:
    """A new device with these commands."""
    new = Device(tenant.id, device_services.define(tenant.id, fields, tags, WHO).id)
    if requests:
        new.add(*requests)
    return new


def fleet(tenant: Tenant, count: int, *requests: Request, blocked: bool = False) -> list[Device]:
    """Many of them at once, past the services: for tests that count or measure."""
    now = timezone.now()
    checked = [catalogue.check(request, now) for request in requests]
    word = Status.BLOCKED if blocked else Status.READY
    rows = DeviceModel.objects.bulk_create(
        DeviceModel(tenant=tenant, pending=0 if blocked else len(checked), blocked=blocked, status=word.value)
        for _ in range(count)
    )
    Command.objects.bulk_create(
        Command(
            device=row,
            position=place,
            type=one.type.name,
            request=one.params,
            secrets=sealing.sealed(one.secrets),
            created_at=now,
        )
        for row in rows
        for place, one in enumerate(checked, start=1)
    )
    return [Device(tenant.id, row.id) for row in rows]


def tag(found: Iterable[Device], *tags: str) -> None:
    """Tags on devices, past the services."""
    Tag.objects.bulk_create(Tag(tenant_id=d.tenant_id, device_id=d.id, tag=t) for d in found for t in tags)


def rule(tenant: Tenant, name: str, tags: Sequence[str], *requests: Request, active: bool = True) -> UUID:
    """A rule that its owner makes; its id."""
    parts = rules.check([New(request) for request in requests])
    return rules.make(tenant.id, {"name": name}, tags, parts, active=active)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: to whom, the last part of its topic, and the body."""

    device_id: UUID
    verb: str
    body: dict[str, Any]

    @property
    def commands(self) -> list[str]:
        """The correlation ids that it brings."""
        return [command["id"] for command in self.body["commands"]]


def heard(answers: Iterable[Outbound]) -> list[Said]:
    """The answers as devices read them."""
    return [read(answer.topic, answer.payload) for answer in answers]


def by_device(answers: Iterable[Outbound]) -> dict[UUID, Said]:
    """The answers by device, one each."""
    said = heard(answers)
    assert len({one.device_id for one in said}) == len(said)
    return {one.device_id: one for one in said}


def read(topic: str, payload: bytes) -> Said:
    """One answer as its device reads it."""
    device_id, *_, verb = topic.removeprefix(f"{ROOT}/").split("/")
    return Said(UUID(device_id), verb, json.loads(payload))


def _result(name: str, word: object) -> dict[str, object]:
    match word:
        case None:
            return {"id": name, "ok": True}
        case int():
            return {"id": name, "ok": False, "error": {"code": word, "message": "no"}}
        case _:
            return {"id": name, "ok": True, "value": word}
