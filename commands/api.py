"""REST for a device's list of commands, and for what is done to the device through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from commands import services, store
from commands.explain import explain
from commands.facts import facts
from commands.models import Command
from commands.serializers import (
    RUNS,
    CommandSerializer,
    CommandsSerializer,
    ExplanationSerializer,
    NewCommand,
    NewCommands,
    Reset,
    ResetAll,
    new,
)
from commands.services import Checked
from devices import api as devices
from devices import store as device_store
from devices.serializers import DeviceSerializer
from tenants import idempotency, pages
from tenants.auth import caller
from tenants.idempotency import Body, Made
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import Nothing
from tenants.views import Endpoint

IN_ORDER = Order(("position", "part"))
NEWEST_FIRST = Order(("position", "part"), newest_first=True)


class CommandQuery(PageQuery):
    """Which commands of the device."""

    run = serializers.ChoiceField(
        choices=RUNS,
        required=False,
        default=RUNS[0],
        help_text="`current`: in order; `all`: of every run, newest first.",
        error_messages={"invalid_choice": f"Must be {' or '.join(RUNS)}."},
    )


def _shown(commands: list[Command]) -> Body:
    return {"items": [CommandSerializer(command).data for command in commands]}


def _find(tenant_id: UUID, device_id: UUID, command_id: UUID) -> Command:
    device_store.find(tenant_id, device_id)
    found = Command.objects.filter(device_id=device_id, id=command_id).first()
    if found is None:
        raise services.no_command()
    return found


def _made_before(device_id: UUID, ids: Sequence[UUID]) -> list[Command] | None:
    """The commands that an earlier request made, in order; None if one is gone."""
    found = list(Command.objects.filter(device_id=device_id, id__in=ids).order_by("position", "part"))
    return found if len(found) == len(ids) else None


class Commands(Endpoint):
    """A device's commands."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.EDITOR}
    queries: ClassVar = {"GET": CommandQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listCommands", responses=pages.schema("CommandPage", CommandSerializer))
    def get(self, request: Request, device_id: UUID) -> Response:
        """The current run in order, or every run, newest first."""
        device = device_store.find(caller(request).tenant_id, device_id)
        found = Command.objects.filter(device_id=device_id)
        if self.query["run"] == "all":
            return self.page(found, NEWEST_FIRST, CommandSerializer)
        return self.page(found.filter(position__gt=device.closed_through), IN_ORDER, CommandSerializer)

    @extend_schema(operation_id="addCommand", request=NewCommand, responses={201: CommandSerializer})
    def post(self, request: Request, device_id: UUID) -> Response:
        """Puts a command at the end of the list."""
        asker = caller(request)

        def check() -> list[Checked]:
            return [services.check(new(NewCommand.read(request.data)))]

        def act(checked: list[Checked]) -> Made:
            (made,) = services.put(asker.tenant_id, device_id, checked, asker.by)
            return Made([made.id], CommandSerializer(made).data)

        def again(ids: Sequence[UUID]) -> Body | None:
            found = _made_before(device_id, ids)
            return CommandSerializer(found[0]).data if found else None

        return idempotency.create(request, check, act, again)


class Batch(Endpoint):
    """Several commands at once."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"POST": Role.EDITOR}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="addCommands", request=NewCommands, responses={201: CommandsSerializer})
    def post(self, request: Request, device_id: UUID) -> Response:
        """Puts commands at the end of the list, all or none."""
        asker = caller(request)

        def check() -> list[Checked]:
            return services.check_batch([new(one) for one in NewCommands.read(request.data)["commands"]])

        def act(checked: list[Checked]) -> Made:
            made = services.put(asker.tenant_id, device_id, checked, asker.by)
            return Made([command.id for command in made], _shown(made))

        def again(ids: Sequence[UUID]) -> Body | None:
            found = _made_before(device_id, ids)
            return _shown(found) if found else None

        return idempotency.create(request, check, act, again)


class OneCommand(Endpoint):
    """One command."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"GET": Role.VIEWER, "DELETE": Role.EDITOR}

    @extend_schema(operation_id="getCommand", responses=CommandSerializer)
    def get(self, request: Request, device_id: UUID, command_id: UUID) -> Response:
        """The command, also of an earlier run."""
        return Response(CommandSerializer(_find(caller(request).tenant_id, device_id, command_id)).data)

    @extend_schema(operation_id="deleteCommand", responses={204: None})
    def delete(self, request: Request, device_id: UUID, command_id: UUID) -> Response:
        """Takes a PENDING command out of the list."""
        asker = caller(request)
        with transaction.atomic():
            services.delete(asker.tenant_id, device_id, command_id, asker.by)
        return Response(status=204)


class ResetOne(Endpoint):
    """A command to be done again."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"POST": Role.EDITOR}

    @extend_schema(operation_id="resetCommand", request=Reset, responses=CommandSerializer)
    def post(self, request: Request, device_id: UUID, command_id: UUID) -> Response:
        """The command is to be done again, as a new attempt."""
        asker, given = caller(request), Reset.read(request.data)
        with transaction.atomic():
            services.reset(asker.tenant_id, device_id, command_id, asker.by, given.get("secrets"))
            return Response(CommandSerializer(_find(asker.tenant_id, device_id, command_id)).data)


class Skip(Endpoint):
    """A command that is not to be done."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"POST": Role.EDITOR}

    @extend_schema(operation_id="skipCommand", request=Nothing, responses=CommandSerializer)
    def post(self, request: Request, device_id: UUID, command_id: UUID) -> Response:
        """The list goes on as if the command were not there."""
        asker = caller(request)
        Nothing.read(request.data)
        with transaction.atomic():
            services.skip(asker.tenant_id, device_id, command_id, asker.by)
            return Response(CommandSerializer(_find(asker.tenant_id, device_id, command_id)).data)


class ResetRun(Endpoint):
    """The whole run again."""

    topic: ClassVar = "Commands"
    roles: ClassVar = {"POST": Role.EDITOR}

    @extend_schema(operation_id="resetCommands", request=ResetAll, responses=CommandsSerializer)
    def post(self, request: Request, device_id: UUID) -> Response:
        """The whole run again or, if it is empty, the one that closed before it: all of it or nothing."""
        asker, given = caller(request), ResetAll.read(request.data)
        with transaction.atomic():
            services.reset_all(asker.tenant_id, device_id, asker.by, given.get("secrets"))
            device = device_store.find(asker.tenant_id, device_id)
            run = Command.objects.filter(device_id=device_id, position__gt=device.closed_through)
            return Response(_shown(list(run.order_by("position", "part"))))


class _Gate(Endpoint):
    """Blocks or unblocks: `change` says which."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"POST": Role.EDITOR}
    change: Callable[[UUID, UUID, str], None]

    def _answer(self, request: Request, device_id: UUID) -> Response:
        asker = caller(request)
        Nothing.read(request.data)
        with transaction.atomic():
            self.change(asker.tenant_id, device_id, asker.by)
            return Response(devices.shown(asker.tenant_id, device_id))


class Block(_Gate):
    """A device that gets nothing."""

    change = staticmethod(services.block)

    @extend_schema(operation_id="blockDevice", request=Nothing, responses=DeviceSerializer)
    def post(self, request: Request, device_id: UUID) -> Response:
        """The device gets nothing more, and its live session ends. Doing it twice does no harm."""
        return self._answer(request, device_id)


class Unblock(_Gate):
    """A device that is served again."""

    change = staticmethod(services.unblock)

    @extend_schema(operation_id="unblockDevice", request=Nothing, responses=DeviceSerializer)
    def post(self, request: Request, device_id: UUID) -> Response:
        """The device is served again, its list as it was. Doing it twice does no harm."""
        return self._answer(request, device_id)


class Explain(Endpoint):
    """Why a device stands where it stands."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER}

    @extend_schema(operation_id="explainDevice", responses=ExplanationSerializer)
    def get(self, request: Request, device_id: UUID) -> Response:
        """The device's status in sentences: why, which command, since when, what to do next."""
        device = device_store.find(caller(request).tenant_id, device_id)
        run = store.load({device_id: device_store.row(device)})[device_id].run
        return Response(ExplanationSerializer(explain(run, facts(device))).data)
