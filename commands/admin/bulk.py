"""One repair on many devices, each in its own transaction: one device's refusal is not its neighbour's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from commands import services
from commands.machine import State
from commands.models import Command
from devices import services as device_services
from devices.models import Device
from tenants.admin import scope
from tenants.admin.asking import Question, ask
from tenants.admin.page import Page, by, said
from tenants.errors import CODES, Refusal, invalid

MOST = 1_000
NAMED = 10
"""Devices that the question names."""

URL = "devices_device_bulk"
LIST = "admin:devices_device_changelist"


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is done to each of the selected devices, with (tenant, device, who)."""

    word: str
    consequence: str
    permission: str
    do: Callable[[UUID, UUID, str], None]


def skip_first_failed(tenant_id: UUID, device_id: UUID, by: str) -> None:
    """Skips the FAILED command that holds the device up. Raises `Refusal`."""
    failed = Command.objects.filter(
        device_id=device_id,
        device__tenant_id=tenant_id,
        status=State.FAILED,
        position__gt=Device.objects.filter(id=device_id).values("closed_through"),
    )
    first = failed.order_by("position", "part").values_list("id", flat=True).first()
    if first is None:
        raise Refusal("CONFLICT", "No command of the device's run is FAILED: there is nothing to skip.")
    services.skip(tenant_id, device_id, first, by)


def delete(tenant_id: UUID, device_id: UUID, by: str) -> None:
    """Unclaims the device; its timeline goes too, so that only the admin's own log remembers by whom."""
    device_services.delete(tenant_id, device_id)


BULK: Mapping[str, Bulk] = {
    "block": Bulk(
        "Block",
        "They get nothing and nothing of them is stored; their live sessions end. Unblock undoes it.",
        "devices.change_device",
        services.block,
    ),
    "unblock": Bulk("Unblock", "They are served again.", "devices.change_device", services.unblock),
    "reset_run": Bulk(
        "Reset run",
        "Every command of their run, or of the last closed one if the run is empty, is done again. A device "
        "that needs secrets again is refused: reset its run on its own page.",
        "commands.change_command",
        services.reset_all,
    ),
    "skip_first_failed": Bulk(
        "Skip first failed command",
        "The first FAILED command of each is skipped: its list goes on without it.",
        "commands.change_command",
        skip_first_failed,
    ),
    "delete_selected": Bulk(
        "Delete",
        "They are unclaimed: commands, credentials and timelines are gone for good, live sessions end.",
        "devices.delete_device",
        delete,
    ),
}


def question(
    page: Page[Any], request: HttpRequest, selected: QuerySet[Device], key: str
) -> TemplateResponse | None:
    """Asks about exactly these devices, the first `MOST` of them."""
    bulk = BULK[key]
    _check(page, request, bulk)
    devices = list(selected.select_related(None).prefetch_related(None)[: MOST + 1])
    lines = [f"{device} ({device.id}), {device.status}" for device in devices[:NAMED]]
    if len(devices) > MOST:
        lines.insert(0, f"These are the first {MOST} of more: do it again for the others.")
        devices = devices[:MOST]
    if len(devices) > NAMED:
        lines.append(f"… and {len(devices) - NAMED} more")
    hidden = {
        "devices": ",".join(str(device.id) for device in devices),
        "filters": request.GET.urlencode(),
    }
    title = f"{bulk.word}: {_many(len(devices))}?"
    asked = Question(
        title,
        bulk.consequence,
        bulk.word,
        _back(hidden["filters"]),
        danger=True,
        lines=lines,
        hidden=hidden,
        action=reverse(f"admin:{URL}", args=[key]),
    )
    return ask(request, page, asked)


def do(page: Page[Any], request: HttpRequest, key: str) -> HttpResponse:
    """Does it to the devices that the question named, and says how many refused and why."""
    _check(page, request, BULK[key])
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    refused: dict[str, list[str]] = defaultdict(list)
    try:
        chosen = _chosen(request.POST.get("devices", ""))
    except Refusal as refusal:
        messages.error(request, said(refusal))
        return redirect(LIST)
    devices = list(page.get_queryset(request).select_related(None).filter(id__in=chosen))
    done = []
    for device in devices:
        try:
            _check_role(request, device, BULK[key])
            BULK[key].do(device.tenant_id, device.id, by(request))
        except Refusal as refusal:
            refused[CODES[refusal.code].title].append(f"{device.id}: {refusal.message}")
        else:
            done.append(device)
    if BULK[key].do is delete and done:
        page.log_deletions(request, done)  # type: ignore[arg-type]  # any iterable
    _report(request, BULK[key].word, len(done), refused, gone=len(chosen) - len(devices))
    return redirect(_back(request.POST.get("filters", "")))


def _check(page: Page[Any], request: HttpRequest, bulk: Bulk) -> None:
    if not page.has_view_permission(request) or not scope.may(request, bulk.permission):
        raise PermissionDenied


def _check_role(request: HttpRequest, device: Device, bulk: Bulk) -> None:
    if not scope.may(request, bulk.permission, device.tenant_id):
        raise Refusal("FORBIDDEN", "Your role in the device's tenant does not allow this.")


def _chosen(text: str) -> Sequence[UUID]:
    ids = text.split(",", MOST)
    try:
        if len(ids) <= MOST:
            return list(dict.fromkeys(map(UUID, ids)))
    except ValueError:
        pass
    raise invalid("devices", f"Must be 1 to {MOST} ids. Select them in the list again.")


def _report(
    request: HttpRequest, word: str, done: int, refused: Mapping[str, Sequence[str]], *, gone: int
) -> None:
    if done:
        messages.success(request, f"{word}: done for {_many(done)}.")
    for title, reasons in refused.items():
        which = reasons[0] if len(reasons) == 1 else f"The first is {reasons[0]}"
        messages.error(request, f"{word}: {_many(len(reasons))} refused. {title}. {which}")
    if gone:
        messages.warning(request, f"{word}: {_many(gone)} no longer there.")


def _back(filters: str) -> str:
    return f"{reverse(LIST)}?{filters}" if filters else reverse(LIST)


def _many(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
