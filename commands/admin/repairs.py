"""Repairs as data: each has its question, its permission and the service that REST calls too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from commands import services
from commands.admin import lists, secrets
from commands.admin.secrets import Given, Needed, SecretsForm
from commands.machine import TABLE, Input, State
from commands.models import Command
from devices.models import Device
from tenants.admin import scope
from tenants.admin.asking import Question, ask
from tenants.admin.page import Page, attempt, by

OF_DEVICE = "devices_device_repair"
OF_COMMAND = "devices_device_repair_command"


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what repaired; `command_id` is the device's own id where the device is meant."""

    tenant_id: UUID
    device_id: UUID
    command_id: UUID
    by: str
    given: Given


@dataclass(frozen=True, slots=True)
class Repair:
    """What an operator does to one command (`input` is set) or to a device; `asks` names it."""

    word: str
    asks: str
    done: str
    consequence: str
    permission: str
    do: Callable[[Order], None]
    input: Input | None = None
    danger: bool = False
    asks_secrets: bool = False


COMMAND: Mapping[str, Repair] = {
    "reset": Repair(
        "Reset",
        "Reset command {}?",
        "is reset",
        "The device gets the command again and does it anew; the old result and error are cleared.",
        "commands.change_command",
        lambda o: services.reset(o.tenant_id, o.device_id, o.command_id, o.by, o.given.get(o.command_id)),
        Input.RESET,
        asks_secrets=True,
    ),
    "skip": Repair(
        "Skip",
        "Skip command {}?",
        "is skipped",
        "The list goes on as if the command were not there; its secrets are erased.",
        "commands.change_command",
        lambda o: services.skip(o.tenant_id, o.device_id, o.command_id, o.by),
        Input.SKIP,
    ),
    "delete": Repair(
        "Delete",
        "Delete command {}?",
        "is deleted",
        "The command is gone for good; the device never saw it.",
        "commands.delete_command",
        lambda o: services.delete(o.tenant_id, o.device_id, o.command_id, o.by),
        Input.DELETE,
        danger=True,
    ),
}
DEVICE: Mapping[str, Repair] = {
    "block": Repair(
        "Block",
        "Block {}?",
        "is blocked",
        "The device gets nothing and nothing of it is stored; its live session ends. Unblock undoes it.",
        "devices.change_device",
        lambda o: services.block(o.tenant_id, o.device_id, o.by),
        danger=True,
    ),
    "unblock": Repair(
        "Unblock",
        "Unblock {}?",
        "is unblocked",
        "The device is served again and does what was not stored meanwhile once more.",
        "devices.change_device",
        lambda o: services.unblock(o.tenant_id, o.device_id, o.by),
    ),
    "reset-run": Repair(
        "Reset run",
        "Reset the run of {}?",
        "has its run reset",
        "Every command of the run, or of the last closed one if the run is empty, is done again: keys are "
        "made anew and the old results are cleared. All of it or nothing.",
        "commands.change_command",
        lambda o: services.reset_all(o.tenant_id, o.device_id, o.by, o.given),
        danger=True,
        asks_secrets=True,
    ),
}


def buttons_of(request: HttpRequest, device: Device) -> Sequence[lists.Button]:
    """What can be done to the device now."""
    fitting = {"unblock" if device.blocked else "block", "reset-run"}
    return [
        lists.Button(repair.word, reverse(f"admin:{OF_DEVICE}", args=[device.id, key]), danger=key == "block")
        for key, repair in DEVICE.items()
        if key in fitting and scope.may(request, repair.permission, device.tenant_id)
    ]


def buttons_for(
    request: HttpRequest, device: Device, inputs: Callable[[Command], frozenset[Input]]
) -> lists.Buttons:
    """Makes the buttons of the device's commands: what the table allows of `inputs`, and the operator's permissions."""
    allowed = {
        key: repair
        for key, repair in COMMAND.items()
        if scope.may(request, repair.permission, device.tenant_id)
    }

    def buttons(command: Command) -> Sequence[lists.Button]:
        return [
            lists.Button(repair.word, _command_link(command, key), repair.danger)
            for key, repair in allowed.items()
            if repair.input in inputs(command) and (State(command.status), repair.input) in TABLE
        ]

    return buttons


def _command_link(command: Command, key: str) -> str:
    return reverse(f"admin:{OF_COMMAND}", args=[command.device_id, command.id, key])


def repair_device(page: Page[Any], request: HttpRequest, device_id: UUID, key: str) -> HttpResponse:
    """Asks, then does it to the device."""
    repair = DEVICE[key]
    device = _device(page, request, device_id, repair)
    form = _form(request, secrets.of_run(device)) if repair.asks_secrets else None
    asked = Asked(device, device.id, str(device), form)
    return _answer(page, request, repair, asked)


def repair_command(
    page: Page[Any], request: HttpRequest, device_id: UUID, command_id: UUID, key: str
) -> HttpResponse:
    """Asks, then does it to the command."""
    repair = COMMAND[key]
    device = _device(page, request, device_id, repair)
    command = get_object_or_404(Command.objects.only(*lists.SHOWN), id=command_id, device=device)
    form = _form(request, secrets.of_command(command)) if repair.asks_secrets else None
    asked = Asked(device, command.id, lists.name(command), form)
    return _answer(page, request, repair, asked)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the question page is about: the command, or the device itself under its own id."""

    device: Device
    id: UUID
    name: str
    form: SecretsForm | None


def _answer(page: Page[Any], request: HttpRequest, repair: Repair, asked: Asked) -> HttpResponse:
    device, form = asked.device, asked.form
    back = reverse("admin:devices_device_change", args=[device.id])
    if request.method != "POST" or (form is not None and not form.is_valid()):
        question = Question(
            repair.asks.format(asked.name), repair.consequence, repair.word, back, repair.danger, form=form
        )
        return ask(request, page, question, device)
    given = form.given() if form is not None else {}
    order = Order(device.tenant_id, device.id, asked.id, by(request), given)
    attempt(request, lambda: repair.do(order), f"{asked.name} {repair.done}.")
    return redirect(back)


def _form(request: HttpRequest, needed: Needed) -> SecretsForm | None:
    return SecretsForm(needed, request.POST if request.method == "POST" else None) if needed else None


def _device(page: Page[Any], request: HttpRequest, device_id: UUID, repair: Repair) -> Device:
    if not page.has_view_permission(request) or not scope.may(request, repair.permission):
        raise PermissionDenied
    device: Device = get_object_or_404(page.get_queryset(request), id=device_id)
    if not scope.may(request, repair.permission, device.tenant_id):
        raise PermissionDenied
    return device
