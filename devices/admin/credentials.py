"""A device's credentials on its page: kinds and times, never a digest; a new password is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from devices import credentials
from devices.models import Credential, Device
from tenants.admin import scope
from tenants.admin.asking import Question, ask, show_once
from tenants.admin.page import Page, attempt, by, said
from tenants.errors import Refusal

if TYPE_CHECKING:
    from django.forms import Select
else:
    from unfold.widgets import UnfoldAdminSelectWidget as Select

NEW_PASSWORD = "devices_device_new_password"  # noqa: S105 - the name of an address
REVOKE = "devices_device_revoke_credential"
MOST = 50
OVERLAPS = ((0, "dies at once"), (3600, "for an hour"), (86_400, "for 24 hours"), (604_800, "for 7 days"))


class OverlapForm(forms.Form):
    """How long the old password opens sessions beside the new one."""

    overlap = forms.TypedChoiceField(
        label="The old password still works", choices=OVERLAPS, coerce=int, initial=0, widget=Select()
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One credential as the page shows it; `revoke` is empty where the operator may not."""

    kind: str
    serial: str
    created_at: datetime
    expires_at: datetime | None
    revoke: str


def read(request: HttpRequest, device: Device) -> Sequence[Line]:
    """The newest credentials. No statement here reads a digest."""
    may = scope.may(request, "devices.delete_credential", device.tenant_id)
    found = Credential.objects.filter(device=device).order_by("-created_at", "id")
    rows = found.values_list("id", "kind", "serial", "created_at", "expires_at")[:MOST]
    return [
        Line(kind, serial, made, ends, reverse(f"admin:{REVOKE}", args=[device.id, id]) if may else "")
        for id, kind, serial, made, ends in rows
    ]


def link(request: HttpRequest, device: Device) -> str:
    """Where a new password is made, empty where the operator may not."""
    may = scope.may(request, "devices.add_credential", device.tenant_id)
    return reverse(f"admin:{NEW_PASSWORD}", args=[device.id]) if may else ""


@sensitive_variables("made", "secret")
def new_password(page: Page[Any], request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Asks for the overlap, makes the password and shows it in the answer."""
    device = _device(page, request, device_id, "devices.add_credential")
    back = _back(device)
    form = OverlapForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        text = "The device signs in with its id as user name and this password. The next page shows it, once."
        question = Question(f"New password for {device}?", text, "Make a new password", back, form=form)
        return ask(request, page, question, device)
    try:
        credentials.check_overlap(form.cleaned_data["overlap"])
        with transaction.atomic():
            made = credentials.add_password(
                device.tenant_id, device.id, form.cleaned_data["overlap"], by(request)
            )
    except Refusal as refusal:
        messages.error(request, said(refusal))
        return redirect(back)
    text = f"User name {device.id}, and this password:"
    title, secret = f"The new password of {device}", made.secret or ""
    return show_once(request, page, title=title, text=text, secret=secret, back=back, about=device)


def revoke(page: Page[Any], request: HttpRequest, device_id: UUID, credential_id: UUID) -> HttpResponse:
    """Asks, then revokes; a live session ends."""
    device = _device(page, request, device_id, "devices.delete_credential")
    credential = get_object_or_404(Credential.objects.defer("digest"), id=credential_id, device=device)
    if request.method != "POST":
        text = "The device can no longer sign in with it, and its live session ends."
        question = Question(f"Revoke {credential}?", text, "Revoke", _back(device), danger=True)
        return ask(request, page, question, device)
    act = transaction.atomic(
        lambda: credentials.revoke(device.tenant_id, device.id, credential_id, by(request))
    )
    attempt(request, act, f"{credential} is revoked.")
    return redirect(_back(device))


def _device(page: Page[Any], request: HttpRequest, device_id: UUID, permission: str) -> Device:
    if not page.has_view_permission(request) or not scope.may(request, permission):
        raise PermissionDenied
    device: Device = get_object_or_404(page.get_queryset(request), id=device_id)
    if not scope.may(request, permission, device.tenant_id):
        raise PermissionDenied
    return device


def _back(device: Device) -> str:
    return reverse("admin:devices_device_change", args=[device.id])
