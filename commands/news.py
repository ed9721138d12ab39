"""What of a device's changes its tenant's webhooks hear of. This file does not know Django."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from commands.machine import Command, State
from devices.event_kinds import Event, Kind
from devices.row import DeviceRow


def of(
    before: DeviceRow, after: DeviceRow, old: Iterable[Command] = (), new: Iterable[Command] = ()
) -> Iterator[Event]:
    """The commands that failed between two states of one device, then its new status if that differs."""
    failed = {command.id for command in old if command.state is State.FAILED}
    for command in new:
        if command.state is State.FAILED and command.id not in failed:
            yield _failure(before.tenant_id, before.id, command)
    if after.status != before.status:
        yield Event(before.tenant_id, before.id, Kind.STATUS, {"old": before.status, "new": after.status})


def _failure(tenant_id: UUID, device_id: UUID, command: Command) -> Event:
    """Without the message: that is the device's own text."""
    error = command.error
    data = {
        "commandId": str(command.id),
        "type": command.type,
        "code": None if error is None else error.code.value,
        "detail": None if error is None else error.detail,
    }
    return Event(tenant_id, device_id, Kind.COMMAND_FAILED, data)
