"""The device list's actions and the device page's commands: through `commands.services`, as REST's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_post_parameters

from commands.admin import bulk, lists, repairs
from commands.admin.explained import explained, told
from commands.machine import Input
from commands.models import Command
from devices.admin import DevicePage
from devices.models import Device
from tenants.admin import scope

REPAIRS = frozenset({Input.RESET, Input.SKIP, Input.DELETE})
EARLIER = "runs"
"""The query parameter that asks for closed runs too."""


@admin.register(Device)
class DeviceAdmin(DevicePage):
    """Devices with their commands."""

    change_form_template = "commands/device.html"
    actions = tuple(bulk.BULK)

    def get_urls(self) -> list[URLPattern]:
        """The usual ones, those of repairs, and that of actions."""
        return [
            path("bulk/<str:key>/", self._view(self.bulk, bulk.BULK), name=bulk.URL),
            path(
                "<uuid:device_id>/commands/<uuid:command_id>/<str:key>/",
                self._view(self.repair_command, repairs.COMMAND),
                name=repairs.OF_COMMAND,
            ),
            path(
                "<uuid:device_id>/do/<str:key>/",
                self._view(self.repair_device, repairs.DEVICE),
                name=repairs.OF_DEVICE,
            ),
            *super().get_urls(),
        ]

    def _view(self, view: Callable[..., HttpResponse], known: Mapping[str, object]) -> Callable[..., Any]:
        @sensitive_post_parameters()
        def checked(request: HttpRequest, key: str, **ids: UUID) -> HttpResponse:
            if key not in known:
                raise Http404
            return view(request, key=key, **ids)

        return self.admin_site.admin_view(checked)

    def bulk(self, request: HttpRequest, key: str) -> HttpResponse:
        """Carries out a list action that was asked about."""
        return bulk.do(self, request, key)

    def repair_device(self, request: HttpRequest, device_id: UUID, key: str) -> HttpResponse:
        """Asks, then does it to the device."""
        return repairs.repair_device(self, request, device_id, key)

    def repair_command(
        self, request: HttpRequest, device_id: UUID, command_id: UUID, key: str
    ) -> HttpResponse:
        """Asks, then does it to the command."""
        return repairs.repair_command(self, request, device_id, command_id, key)

    # ---- the list

    def get_action(self, action: Any) -> Any:
        """The list actions; each only asks."""
        found = bulk.BULK.get(action)
        if found is None:
            return super().get_action(action)

        def ask(page: DeviceAdmin, request: HttpRequest, selected: QuerySet[Device]) -> HttpResponse | None:
            return bulk.question(page, request, selected, action)

        return ask, action, found.word

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Only what the operator may do."""
        actions = super().get_actions(request)
        return {
            key: found
            for key, found in actions.items()
            if key not in bulk.BULK or scope.may(request, bulk.BULK[key].permission)
        }

    # ---- the page

    def named(self, device: Device) -> Mapping[UUID, str]:
        """Position and type of the newest commands."""
        newest = Command.objects.filter(device=device).order_by("-position", "-part")
        found = newest.only("id", "position", "part", "type", "device_id")[: lists.MOST]
        return {command.id: lists.name(command) for command in found}

    def sections(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        """The commands, and what can be done."""
        may_see = self._may_see(request, device)
        return {
            **super().sections(request, device),
            **(self._lists(request, device) if may_see else {}),
            "may_see_commands": may_see,
            "buttons": repairs.buttons_of(request, device),
        }

    def _may_see(self, request: HttpRequest, device: Device) -> bool:
        either = ("commands.view_command", "commands.change_command")
        return any(scope.may(request, permission, device.tenant_id) for permission in either)

    def _lists(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        current = lists.lines(lists.current(device), repairs.buttons_for(request, device, _of_run))
        explanation = explained(device, lists.run(device))
        earlier = None
        if device.closed_through and (EARLIER in request.GET or not current):
            earlier = lists.lines(lists.earlier(device), _reopening(request, device, bool(current)))
        return {
            "explanation": explanation,
            "next": told(explanation.next),
            "current": current,
            "earlier": earlier,
            "closed": device.closed_through > 0,
            "lists_most": lists.MOST,
        }


_NONE: frozenset[Input] = frozenset()


def _of_run(command: Command) -> frozenset[Input]:
    # A certificate made from a request is reset with its request only.
    return REPAIRS - {Input.RESET} if command.part else REPAIRS


def _reopening(request: HttpRequest, device: Device, working: bool) -> lists.Buttons:
    """Only the last closed run can be reopened, by a reset, and only while nothing stands behind it."""
    ids = frozenset[UUID]() if working else frozenset(c.id for c in lists.last_run(device).commands)
    return repairs.buttons_for(
        request, device, lambda c: _of_run(c) & {Input.RESET} if c.id in ids else _NONE
    )
