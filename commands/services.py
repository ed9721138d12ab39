"""What owners and operators do to a device's list, for REST and the admin alike.

Each call holds the device's row, reads the list again, lets the pure rules decide, writes what differs, and
leaves what must happen outside in the outbox. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from commands import catalogue, news, run, sealing, store
from commands.models import Command
from commands.status import Run, status
from devices import events, journal, outbox, proof, timeline
from devices import store as devices
from devices.row import DeviceRow
from devices.timeline import Entry
from tenants.errors import Refusal, invalid

NOTIFY_EVERY = timedelta(seconds=1)
"""A device is woken at most that often. Source: WIRE.md 5.1."""

BATCH_MOST = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class New:
    """A command as its owner asks for it: `request` and `issue` are not checked yet."""

    request: object
    description: str = ""
    issue: object = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A command that may be stored: whoever has one has had `check` pass."""

    request: catalogue.Request
    description: str


def check(given: New) -> Checked:
    """The command, if every field of it holds. Raises `Refusal` that names each wrong field.

    Opening a private key takes a while: do it before the device's row is held.
    """
    if given.issue is not None:
        raise invalid("issue", "This installation issues no certificates yet: sign the CSR yourself.")
    return Checked(catalogue.check(given.request, timezone.now()), given.description)


def check_batch(given: Sequence[New]) -> list[Checked]:
    """The commands, if every field of all holds. Raises `Refusal` with fields like `commands[2].request`."""
    return each(given, check)


def each(given: Sequence[New], check: Callable[[New], T]) -> list[T]:
    """What `check` makes of each. Raises `Refusal` with the wrong fields of all of them."""
    checked, errors = [], dict[str, Sequence[str]]()
    for place, new in enumerate(given):
        try:
            checked.append(check(new))
        except Refusal as refusal:
            found = refusal.errors or {}
            errors |= {f"commands[{place}].{field}": reasons for field, reasons in found.items()}
    if errors:
        field, reasons = next(iter(errors.items()))
        raise Refusal("INVALID", f"{field}: {reasons[0]}", errors)
    return checked


def add(tenant_id: UUID, device_id: UUID, given: Sequence[New], by: str) -> list[Command]:
    """Checks commands and puts them at the end of the list, all or none. Raises `Refusal`."""
    checked = [check(given[0])] if len(given) == 1 else check_batch(given)
    return put(tenant_id, device_id, checked, by)


def put(tenant_id: UUID, device_id: UUID, checked: Sequence[Checked], by: str) -> list[Command]:
    """Puts checked commands at the end of the list, all or none. Raises `Refusal`."""
    now = timezone.now()
    with transaction.atomic():
        device = devices.lock_one(tenant_id, device_id)
        check_proven(device, any(one.request.secrets for one in checked))
        lists = store.load({device_id: device})[device_id]
        run.check_room(lists.run, [(one.request.type.kind, None) for one in checked])
        first = next_position(lists.run)
        made = [_stored(device_id, first + place, one, now) for place, one in enumerate(checked)]
        Command.objects.bulk_create(made)
        after = store.load({device_id: device})[device_id].run
        _settle(device, after, now, {"what": "added", "commands": [str(c.id) for c in made], "by": by})
    return made


def next_position(held: Run) -> int:
    """Where the next command of this run stands."""
    return max([held.closed_through, *(command.position for command in held.commands)]) + 1


def check_proven(device: DeviceRow, secrets: bool) -> None:
    """Raises `Refusal` CLAIM_UNPROVEN where a device that may be anybody's would carry secrets."""
    if secrets and device.unproven and not proof.secrets_allowed():
        raise Refusal(
            "CLAIM_UNPROVEN",
            "Nothing proves yet that this device is yours, so it carries no secrets. Put its public key on it with "
            "POST …/credentials and let it sign in once, or ask the operator to import its identity key.",
        )


def _stored(device_id: UUID, position: int, checked: Checked, now: datetime) -> Command:
    request = checked.request
    return Command(
        device_id=device_id,
        position=position,
        type=request.type.name,
        description=checked.description,
        request=request.params,
        secrets=sealing.sealed(request.secrets),
        created_at=now,
    )


def skip(tenant_id: UUID, device_id: UUID, command_id: UUID, by: str) -> None:
    """The list goes on without this command. Raises `Refusal`."""
    _repair(
        tenant_id, device_id, command_id, "skipped", by, lambda held, at: run.skip(held.run, command_id, at)
    )


def delete(tenant_id: UUID, device_id: UUID, command_id: UUID, by: str) -> None:
    """A PENDING command is gone. Raises `Refusal`."""
    _repair(
        tenant_id, device_id, command_id, "deleted", by, lambda held, at: run.delete(held.run, command_id, at)
    )


def reset(
    tenant_id: UUID, device_id: UUID, command_id: UUID, by: str, secrets: Mapping[str, object] | None = None
) -> None:
    """The command is to be done again; `secrets` where they were erased. Raises `Refusal`."""
    given = {} if secrets is None else {command_id: secrets}
    _repair(
        tenant_id,
        device_id,
        command_id,
        "reset",
        by,
        lambda held, at: run.reset(held.run, held.last, command_id, at),
        given,
    )


def reset_all(
    tenant_id: UUID, device_id: UUID, by: str, secrets: Mapping[UUID, object] | None = None
) -> None:
    """The whole run again, or, if it is empty, the one that closed before it; all of it or nothing."""
    _repair(
        tenant_id,
        device_id,
        None,
        "reset",
        by,
        lambda held, at: run.reset_all(held.run, held.last, at),
        secrets or {},
    )


def block(tenant_id: UUID, device_id: UUID, by: str) -> None:
    """The device gets nothing more, and its live session ends. Raises `Refusal`."""
    _set_blocked(tenant_id, device_id, True, by)


def unblock(tenant_id: UUID, device_id: UUID, by: str) -> None:
    """The device is served again. Raises `Refusal`."""
    _set_blocked(tenant_id, device_id, False, by)


def _set_blocked(tenant_id: UUID, device_id: UUID, blocked: bool, by: str) -> None:
    now = timezone.now()
    with transaction.atomic():
        device = devices.lock_one(tenant_id, device_id)
        if device.blocked == blocked:
            return
        after = replace(store.load({device_id: device})[device_id].run, blocked=blocked)
        what = "blocked" if blocked else "unblocked"
        _settle(replace(device, blocked=blocked), after, now, {"what": what, "by": by})
        outbox.put(outbox.Kind.CREDENTIALS, [device_id], now)
        if blocked:
            outbox.put(outbox.Kind.KICK, [device_id], now)


# ---- shared by the repairs


@dataclass(frozen=True, slots=True)
class _Held:
    """A held device with its run and the one that closed before."""

    run: Run
    last: Run


def _repair(
    tenant_id: UUID,
    device_id: UUID,
    command_id: UUID | None,
    what: str,
    by: str,
    decide: Callable[[_Held, datetime], Run],
    secrets: Mapping[UUID, object] | None = None,
) -> None:
    now = timezone.now()
    sealed = _sealed_again(
        tenant_id, device_id, secrets or {}, now, "secrets" if command_id else "secrets.{}"
    )
    with transaction.atomic():
        device = devices.lock_one(tenant_id, device_id)
        if command_id is not None and not Command.objects.filter(device_id=device_id, id=command_id).exists():
            raise no_command()
        check_proven(device, bool(secrets))
        held = _Held(store.load({device_id: device})[device_id].run, store.load_last(device))
        after = decide(held, now)
        before = held.run if after.closed_through == held.run.closed_through else held.last
        after = _with_secrets(before, after, sealed, "secrets" if command_id else "secrets.{}")
        store.write(before.commands, after.commands)
        data = {"what": what, "by": by}
        _settle(replace(device, closed_through=after.closed_through), after, now, data, command_id)


def no_command() -> Refusal:
    """What is said of a command that this device has not."""
    return Refusal("NOT_FOUND", "The device has no such command. List them with GET …/provisioning.")


def _sealed_again(
    tenant_id: UUID, device_id: UUID, given: Mapping[UUID, object], now: datetime, at: str
) -> dict[UUID, str | None]:
    """The secrets that an owner sent again, checked and sealed, by command id.

    Before the row is held: opening a key takes a while, and what it is checked against never changes. `at` is where
    they stand in the request, `{}` being the command's id.
    """
    found = Command.objects.filter(device_id=device_id, device__tenant_id=tenant_id, id__in=given)
    again: dict[UUID, str | None] = dict.fromkeys(given)
    for command in found:
        if (made := catalogue.TYPES[command.type]).secrets:
            where = at.format(command.id)
            request = catalogue.check_secrets(made, command.request, given[command.id], now, where)
            again[command.id] = sealing.sealed(request.secrets)
    return again


def _with_secrets(before: Run, after: Run, given: Mapping[UUID, str | None], at: str) -> Run:
    """A reset command whose secrets were erased gets those that its owner sent again."""
    old = {command.id: command.attempt for command in before.commands}
    again = [c for c in after.commands if c.attempt > old[c.id] and catalogue.TYPES[c.type].secrets]
    lacking = {
        c.id: catalogue.TYPES[c.type].secrets for c in again if not c.has_secrets and c.id not in given
    }
    if lacking:
        raise _secrets_needed(lacking, at)
    supplied = {c.id for c in again if c.id in given}
    if unknown := set(given) - supplied:
        raise invalid(
            "secrets", f"{', '.join(map(str, unknown))}: no command with secrets is reset by that id."
        )
    for one in supplied:
        Command.objects.filter(id=one).update(secrets=given[one])
    commands = tuple(replace(c, has_secrets=True) if c.id in supplied else c for c in after.commands)
    return replace(after, commands=commands)


def _secrets_needed(lacking: Mapping[UUID, Sequence[str]], at: str) -> Refusal:
    needed = "; ".join(f"{one}: {', '.join(names)}" for one, names in lacking.items())
    return Refusal(
        "SECRETS_NEEDED",
        f"The secrets were erased when the device confirmed them. Send them again in `secrets` ({needed}).",
        {at.format(one): [f"Needs {', '.join(names)}."] for one, names in lacking.items()},
    )


def _settle(
    device: DeviceRow, after: Run, now: datetime, data: Mapping[str, object], command_id: UUID | None = None
) -> None:
    """Law 1: the status is computed and stored beside the list. Wakes the device if it has work now."""
    pending = len(run.servable(after))
    settled = replace(device, status=status(after).value, pending=pending)
    if pending and data["what"] != "deleted":
        settled = _notify(settled, now)
    devices.write([settled])
    journal.record([Entry(device.id, now, timeline.Kind.CHANGED, data, command_id)])
    events.emit(list(news.of(device, settled)), now)


def _notify(device: DeviceRow, now: datetime) -> DeviceRow:
    if device.notified_at is not None and device.notified_at > now:
        return device  # one is on its way and will tell the newest state
    due = max(now, device.notified_at + NOTIFY_EVERY) if device.notified_at else now
    outbox.put(outbox.Kind.NOTIFY, [device.id], now, due)
    return replace(device, notified_at=due)
