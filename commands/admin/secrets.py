"""Asks again for secrets that were erased, where a reset needs them; a page never repeats what was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms

from commands.admin import lists
from commands.catalogue import TYPES
from commands.checks import PEM_MOST
from commands.models import Command
from devices.models import Device

if TYPE_CHECKING:
    from django.forms import PasswordInput, Textarea
else:
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea

Given = Mapping[UUID, Mapping[str, object]]
Needed = Mapping[UUID, tuple[str, Sequence[str]]]
"""By command id, the command's name and the names of its secrets."""


LONG = ("content",)


class BlindTextarea(Textarea):
    """A text area that is always empty when it is shown."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """As if nothing had been typed."""
        return super().get_context(name, None, attrs)


class SecretsForm(forms.Form):
    """One field for each secret that is needed; `commands.catalogue` checks what is in it."""

    def __init__(self, needed: Needed, data: Any) -> None:
        super().__init__(data)
        self.needed = needed
        for command_id, (name, secrets) in needed.items():
            for secret in secrets:
                self.fields[f"{command_id}.{secret}"] = _field(name, secret)

    def given(self) -> Given:
        """What was typed, as the services want it."""
        return {
            command_id: {secret: self.cleaned_data[f"{command_id}.{secret}"] for secret in secrets}
            for command_id, (_, secrets) in self.needed.items()
        }


def _field(name: str, secret: str) -> forms.CharField:
    # A key is many lines; everything else is one.
    widget = BlindTextarea() if secret in LONG else PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(
        label=f"{name}: {secret}",
        max_length=PEM_MOST,
        strip=False,
        widget=widget,
        help_text="It was erased when the device confirmed it or it was skipped: give it again.",
    )


def of_command(command: Command) -> Needed:
    """What a reset of this command needs."""
    kept = Command.objects.filter(id=command.id, secrets__isnull=False).exists()
    return {} if kept else _named(command.id, lists.name(command), command.type)


def of_run(device: Device) -> Needed:
    """What a reset of the run, or of the last one if it is empty, needs."""
    run = lists.run(device)
    needed: dict[UUID, tuple[str, Sequence[str]]] = {}
    for command in (run if run.commands else lists.last_run(device)).counted:
        if not command.has_secrets:
            needed |= _named(command.id, lists.name(command), command.type)
    return needed


def _named(command_id: UUID, name: str, type: str) -> dict[UUID, tuple[str, Sequence[str]]]:
    secrets = TYPES[type].secrets
    return {command_id: (name, secrets)} if secrets else {}
