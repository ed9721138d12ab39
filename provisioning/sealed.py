"""Everything that is sealed in the database, and how it comes under the first of KEYSEED_FIELD_KEYS.

Whoever seals something new names its column in `COLUMNS`: a key is taken out when nothing in these needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import models, transaction

from commands.models import Command, RuleCommand
from devices import store
from devices.models import DeviceCA, OutboxRow
from pki.sealing import CannotOpen, Sealer
from tenants.models import Webhook

CHUNK = 500
"""Values a step, and devices whose rows are held at once."""


@dataclass(frozen=True, slots=True)
class Column:
    """One sealed column; `device` names the column of the device whose row is held while it changes (law 9)."""

    model: type[models.Model]
    name: str
    device: str | None = None

    @property
    def title(self) -> str:
        """Table and column, as they are called in SQL."""
        return f"{self.model._meta.db_table}.{self.name}"  # noqa: SLF001 - Django's own documented name


COLUMNS: tuple[Column, ...] = (
    Column(Command, "secrets", device="device_id"),
    Column(RuleCommand, "secrets"),
    Column(Webhook, "secret"),
    Column(DeviceCA, "private_key"),
    Column(OutboxRow, "secret"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """What was found in some rows: under the first key, under another one, and under none, by their ids."""

    fine: int = 0
    old: int = 0
    lost: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class _Value:
    id: object
    device_id: Any
    token: str


@dataclass(slots=True)
class _Sorted:
    fine: int = 0
    old: list[_Value] = field(default_factory=list)
    lost: list[object] = field(default_factory=list)


class Keys:
    """The keys of the settings. Raises `pki.errors.Invalid` if one is none, or there is none."""

    def __init__(self) -> None:
        keys = settings.KEYSEED_FIELD_KEYS
        self.every = Sealer(keys)
        self._first = Sealer(keys[:1])

    def sort(self, values: Sequence[_Value]) -> _Sorted:
        """The values by what opens them."""
        found = _Sorted()
        for value in values:
            if _opens(self._first, value.token):
                found.fine += 1
            elif _opens(self.every, value.token):
                found.old.append(value)
            else:
                found.lost.append(value.id)
        return found


def _opens(sealer: Sealer, token: str) -> bool:
    try:
        sealer.open(token)
    except CannotOpen:
        return False
    return True


def count(column: Column) -> int:
    """How many values there are now."""
    return _held(column).count()


def look(column: Column, keys: Keys) -> Iterator[Step]:
    """Reads the column, some rows a step, and changes nothing."""
    for values in _pages(column):
        found = keys.sort(values)
        yield Step(found.fine, len(found.old), found.lost)


def reseal(column: Column, keys: Keys) -> Iterator[Step]:
    """The same, and seals again with the first key. Each step is stored when it is told: stop where you like.

    The work of encryption is done before anything is held. A value that was erased or replaced meanwhile is left as
    it is then; `Step.old` counts what was resealed.
    """
    for values in _pages(column):
        found = keys.sort(values)
        changes = {value.id: (value.token, keys.every.reseal(value.token)) for value in found.old}
        written = _write(column, changes, {value.device_id for value in found.old})
        yield Step(found.fine, written, found.lost)


def _write(column: Column, changes: Mapping[object, tuple[str, str]], devices: set[Any], /) -> int:
    """Writes each new value over the old one that it was made from; how many still had that one."""
    if column.device is None:
        # One row a transaction: nothing is held while another row is waited for.
        return sum(_replace(column, id, old, new) for id, (old, new) in changes.items())
    with transaction.atomic():
        store.lock(devices)
        return sum(_replace(column, id, old, new) for id, (old, new) in changes.items())


def _replace(column: Column, id: object, old: str, new: str) -> int:
    same = _rows(column).filter(**{"pk": id, column.name: old})
    return same.update(**{column.name: new})


def _rows(column: Column) -> models.QuerySet[Any]:
    return models.QuerySet(column.model)


def _pages(column: Column) -> Iterator[list[_Value]]:
    """All values, ids ascending. What is added meanwhile may be left out: it is sealed with the first key."""
    names = ("pk", column.device or "pk", column.name)
    found = _held(column).order_by("pk").values_list(*names)
    page = list(found[:CHUNK])
    while page:
        yield [_Value(*row) for row in page]
        page = list(found.filter(pk__gt=page[-1][0])[:CHUNK])


def _held(column: Column) -> models.QuerySet[Any]:
    given = {f"{column.name}__isnull": False}
    return _rows(column).filter(**given).exclude(**{column.name: ""})
