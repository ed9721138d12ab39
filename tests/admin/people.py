"""An operator at the pages of the admin, and a fleet to look at."""

import html
import re
import warnings
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from commands import services as commands
from commands.models import Command
from devices import services as devices
from devices.models import Device, OutboxRow, TimelineEntry
from tenants.models import Member, Tenant
from tenants.roles import Role
from tests.rest.cast import Board

DEVICES = "/admin/devices/device/"
PSK = "5ec7e7" * 6
GENERATE = {"clientPrivateKeyGeneration": {"secTag": 1}}
SHARED = {"preSharedKey": {"secTag": 2, "identity": "pump 17", "secret": PSK}}
CONFIG = {"config": {"endpoint": "mqtts://broker.example.com"}}
FINISHED: dict[str, Any] = {"finished": {}}
WORK = (GENERATE, SHARED, CONFIG, FINISHED)


@dataclass
class Operator:
    """Somebody signed in; `heard` is what the last post's messages said."""

    user: User
    client: Client

    @property
    def by(self) -> str:
        return f"member:{self.user.username}"

    def see(self, path: str, status: int = 200) -> str:
        """The page's text as sent."""
        answer = self.client.get(path)
        assert answer.status_code == status, (answer.status_code, path, answer.content[:500])
        return answer.content.decode()

    def post(self, path: str, data: dict[str, Any] | None = None) -> HttpResponse:
        return self.client.post(path, data or {})  # type: ignore[return-value]  # the client's own subclass

    def press(self, path: str, data: dict[str, Any] | None = None) -> list[str]:
        """Looks at the question, answers yes; what the messages then say, each with its colour."""
        self.see(path)
        answer = self.post(path, data)
        assert answer.status_code == 302, answer.content[:500]
        return said(answer)


def said(answer: HttpResponse) -> list[str]:
    """The messages of a post, each with its colour."""
    return [f"{m.level_tag}: {m}" for m in get_messages(answer.wsgi_request)]  # type: ignore[attr-defined]


def text(page: str) -> str:
    """What a reader sees, without tags and with single spaces."""
    plain = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(html.unescape(plain).split())


def operator(name: str = "anna", *permissions: str) -> Operator:
    """A superuser, or staff with these permissions only."""
    user = User.objects.create(username=name, is_staff=True, is_superuser=not permissions)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = browser()
    client.force_login(user)
    return Operator(user, client)


def member(name: str, of: Tenant, role: Role, *more: tuple[Tenant, Role]) -> Operator:
    """A member of this tenant, and of others."""
    user = User.objects.create(username=name, is_staff=True)
    for one, held in ((of, role), *more):
        Member.objects.create(user=user, tenant=one, role=held)
    client = browser()
    client.force_login(user)
    return Operator(user, client)


def every_permission() -> list[Permission]:
    return list(Permission.objects.all())


def browser(**options: Any) -> Client:
    """Somebody not signed in."""
    client = Client(**options)
    with warnings.catch_warnings(action="ignore"):  # whitenoise, of a folder that only collectstatic makes
        client.handler.load_middleware()
    return client


def tenant(name: str = "here") -> Tenant:
    return Tenant.objects.get_or_create(name=name)[0]


def device(serial: str = "SN-17", *requests: dict[str, Any], of: str = "here", **fields: Any) -> Device:
    """A device with these commands."""
    owner = tenant(of)
    tags = fields.pop("tags", [])
    made = devices.define(owner.id, {"serial_number": serial, **fields}, tags, "key:test")
    if requests:
        commands.add(owner.id, made.id, [commands.New(request) for request in requests], "key:test")
    return made


def provisioned(serial: str = "SN-17", **fields: Any) -> Device:
    """A device that did everything."""
    made = device(serial, *WORK, **fields)
    board = Board(str(made.id))
    results = [{"id": c["id"], "ok": True} for c in board.pull()]
    results[0]["value"] = {"publicKey": public_key()}
    board.answer(*results)
    return made


def failed(serial: str = "SN-17", code: int = -17, message: str = "sector is protected") -> Device:
    """A device whose third command, `config`, failed."""
    made = device(serial, *WORK)
    board = Board(str(made.id))
    first, second, third, _ = board.pull()
    board.answer(
        {"id": first["id"], "ok": True, "value": {"publicKey": public_key()}},
        {"id": second["id"], "ok": True},
        {"id": third["id"], "ok": False, "error": {"code": code, "message": message}},
    )
    return made


def public_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def command(device: Device, type: str) -> Command:
    return Command.objects.get(device=device, type=type)


def status(device: Device) -> str:
    return Device.objects.get(id=device.id).status


def page(device: Device) -> str:
    """The address of the device's page."""
    return reverse("admin:devices_device_change", args=[device.id])


def do(device: Device, what: str) -> str:
    """The address of a repair of the device."""
    return f"{DEVICES}{device.id}/do/{what}/"


def repair(device: Device, command_id: UUID, what: str) -> str:
    """The address of a repair of a command."""
    return f"{DEVICES}{device.id}/commands/{command_id}/{what}/"


def history(device: Device) -> list[tuple[str, str]]:
    """What was changed and by whom, oldest first."""
    entries = TimelineEntry.objects.filter(device=device, kind="changed").order_by("id")
    return [(entry.data["what"], entry.data["by"]) for entry in entries]


def outbox(device: Device) -> list[str]:
    """What was asked for outside, for the device, lately asked last, each once."""
    rows = OutboxRow.objects.filter(device_id=device.id, kind__in=["credentials", "kick"]).order_by("id")
    return list(dict.fromkeys(rows.values_list("kind", flat=True)))
