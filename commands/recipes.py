"""A rule's commands on their way to devices: filled in for each, and checked again as they are then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from uuid import UUID

from commands import catalogue, placeholders
from commands.catalogue import TYPES, CommandType
from commands.models import RuleCommand
from commands.placeholders import Values
from devices.models import Device
from pki.errors import Invalid
from tenants.errors import Refusal


@dataclass(frozen=True, slots=True)
class Filled:
    """A command as a device's list has it; `secrets` are sealed."""

    type: CommandType
    description: str
    params: Mapping[str, object]
    secrets: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rule's commands. `refused` is why none of them can be given to any device, such as a CA that expired."""

    rule_id: UUID
    name: str
    commands: Sequence[Filled]
    refused: Refusal | None = None

    @property
    def secrets(self) -> bool:
        """Whether a device that gets it carries secrets."""
        return any(one.secrets is not None for one in self.commands)

    def filled(self, values: Values, now: datetime) -> list[Filled]:
        """The commands for the device with these values. Raises `Refusal` INVALID if one does not hold for it."""
        if self.refused is not None:
            raise self.refused
        return [_filled(place, one, values, now) for place, one in enumerate(self.commands)]


def values(device: Device) -> Values:
    """What a device has for the placeholders."""
    return {
        "device.id": str(device.id),
        "device.name": device.name,
        "device.serialNumber": device.serial_number,
        "device.imei": device.imei,
        "device.deviceType": device.device_type,
        "device.vendorId": device.vendor_id,
        "device.classId": device.class_id,
    }


def read(rules: Collection[UUID], now: datetime) -> dict[UUID, Recipe]:
    """The rules by id, in one statement."""
    found = RuleCommand.objects.filter(rule_id__in=rules).select_related("rule").order_by("rule_id", "place")
    return {rule_id: made(commands, now) for rule_id, commands in groupby(found, lambda one: one.rule_id)}


def made(commands: Iterable[RuleCommand], now: datetime) -> Recipe:
    """One rule's. What is the same for every device is checked here, once."""
    rows = list(commands)
    ready = [Filled(TYPES[row.type], row.description, row.request, row.secrets) for row in rows]
    refused = None
    try:
        for place, one in enumerate(ready):
            if placeholders.fixed(one.type, one.params):
                _check(place, one.type, one.params, now)
    except Refusal as refusal:
        refused = refusal
    return Recipe(rows[0].rule_id, rows[0].rule.name, ready, refused)


def _filled(place: int, one: Filled, values: Values, now: datetime) -> Filled:
    if placeholders.fixed(one.type, one.params):
        return one
    try:
        request = placeholders.fill({one.type.name: one.params}, values)
    except Refusal as refusal:
        raise _at(place, refusal) from None
    assert isinstance(request, Mapping)
    params = _check(place, one.type, request[one.type.name], now)
    return Filled(one.type, one.description, params, one.secrets)


def _check(
    place: int, type: CommandType, params: Mapping[str, object], now: datetime
) -> Mapping[str, object]:
    """The params if they hold now. Of a command with secrets, which stay sealed, only what else it has."""
    try:
        if not type.secrets:
            return catalogue.check({type.name: params}, now).params
        return {**params, **{f.name: _one(type, f, params, now) for f in type.fields if not f.secret}}
    except Refusal as refusal:
        raise _at(place, refusal) from None


def _one(type: CommandType, field: catalogue.Field, params: Mapping[str, object], now: datetime) -> object:
    try:
        return field.check(params[field.name], now)
    except Invalid as invalid:
        raise Refusal("INVALID", f"request.{type.name}.{field.name}: {invalid.reason}") from None


def _at(place: int, refusal: Refusal) -> Refusal:
    return Refusal(refusal.code, f"commands[{place}].{refusal.message}")
