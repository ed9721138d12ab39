"""A device that makes contact is given its tenant's rules, before it is answered.

A rule goes to a device that has all its tags, once a claim, in the order in which rules were made; what does not fit
as a whole is not given at all, and tried again at the next contact. Source: API.md "Rules and tags".
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from django.db import connection

from commands import machine, recipes, run, services
from commands.catalogue import TYPES
from commands.models import Command, Rule, RuleMark, RuleTag
from commands.placeholders import Values
from commands.recipes import Filled, Recipe
from commands.status import status
from commands.store import Loaded
from devices import journal, timeline
from devices.models import Device, Tag
from devices.row import DeviceRow
from devices.status import Status
from devices.timeline import Entry
from tenants.errors import Refusal
from tenants.models import Tenant

_OF_TENANT = ("id", "rules_version", "has_webhooks")


@dataclass(frozen=True, slots=True)
class Given:
    """What differs now: rows by device, and the lists of those that were given commands.

    `heard` are the tenants whose webhooks want to know of the batch.
    """

    rows: Mapping[UUID, DeviceRow] = field(default_factory=dict)
    lists: Mapping[UUID, Loaded] = field(default_factory=dict)
    heard: Collection[UUID] = ()


def give(held: Mapping[UUID, DeviceRow], loaded: Mapping[UUID, Loaded], at: datetime) -> Given:
    """Gives these held devices what is due to them; a fixed number of statements, one if nothing is.

    The commands are written and in `Given.lists`. `Given.rows` is left to be written: so are status and pending.
    """
    tenants = _tenants(held)
    heard = {id for id, (_, has_webhooks) in tenants.items() if has_webhooks}
    seen = {id: row for id, row in _behind(held, tenants).items() if _able(loaded[id])}
    wanted = _wanted(seen)
    if not any(wanted.values()):
        return Given(seen, heard=heard)
    ids = [device_id for device_id, rules in wanted.items() if rules]
    standing = _keep({rule for rules in wanted.values() for rule in rules})
    book = recipes.read(standing, at)
    values = {device.id: recipes.values(device) for device in Device.objects.filter(id__in=ids)}
    made = _Made(at)
    for device_id in ids:
        offered = [book[rule] for rule in wanted[device_id] if rule in book]
        made.offer(held[device_id], loaded[device_id], offered, values[device_id])
    made.write()
    return Given({id: row for id, row in seen.items() if id not in made.left}, made.lists, heard)


def _tenants(held: Mapping[UUID, DeviceRow]) -> Mapping[UUID, tuple[int, bool]]:
    """The version of each tenant's rules, and whether it has webhooks."""
    if not held:
        return {}
    found = Tenant.objects.filter(id__in={row.tenant_id for row in held.values()})
    return {id: (version, listens) for id, version, listens in found.values_list(*_OF_TENANT)}


def _behind(
    held: Mapping[UUID, DeviceRow], tenants: Mapping[UUID, tuple[int, bool]]
) -> dict[UUID, DeviceRow]:
    """The devices for which there may be something new, as they are once they have seen it."""
    versions = {id: version for id, (version, _) in tenants.items()}
    return {
        id: replace(row, rules_seen=versions[row.tenant_id])
        for id, row in held.items()
        if row.rules_seen < versions.get(row.tenant_id, 0)
    }


def _able(lists: Loaded) -> bool:
    return status(lists.run) not in (Status.BLOCKED, Status.ERROR)


def _wanted(devices: Mapping[UUID, DeviceRow]) -> dict[UUID, list[UUID]]:
    """By device, the rules that it has all tags of and was not given yet, in the order of their making."""
    if not devices:
        return {}
    rules = _rules({row.tenant_id for row in devices.values()})
    tags = _sets(Tag.objects.filter(device_id__in=devices).values_list("device_id", "tag"))
    marks = _sets(RuleMark.objects.filter(device_id__in=devices).values_list("device_id", "rule_id"))
    return {
        id: [r for r, wants in rules[row.tenant_id].items() if r not in marks[id] and wants <= tags[id]]
        for id, row in devices.items()
    }


def _rules(tenants: Collection[UUID]) -> Mapping[UUID, Mapping[UUID, set[str]]]:
    """By tenant, its active rules in order with their tags."""
    found = RuleTag.objects.filter(rule__active=True, rule__tenant_id__in=tenants)
    rules: dict[UUID, dict[UUID, set[str]]] = defaultdict(dict)
    columns = ("rule__tenant_id", "rule_id", "tag")
    for tenant_id, rule_id, tag in found.order_by("rule__created_at", "rule_id").values_list(*columns):
        rules[tenant_id].setdefault(rule_id, set()).add(tag)
    return rules


def _sets(pairs: Iterable[tuple[UUID, object]]) -> Mapping[UUID, set[object]]:
    found: dict[UUID, set[object]] = defaultdict(set)
    for one, other in pairs:
        found[one].add(other)
    return found


def _keep(rules: Collection[UUID]) -> list[UUID]:
    """Those that still stand, kept until the transaction ends from whoever would delete them.

    Many may hold a rule like this at once. SQLite lets nobody else write meanwhile anyway.
    """
    if connection.vendor != "postgresql":
        return list(Rule.objects.filter(id__in=rules).values_list("id", flat=True))
    with connection.cursor() as cursor:
        sql = "SELECT id FROM commands_rule WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"
        cursor.execute(sql, [list(rules)])
        return [row[0] for row in cursor.fetchall()]


@dataclass(slots=True)
class _Made:
    """What is to be written; `left` are devices to which a rule is still due."""

    at: datetime
    commands: list[Command] = field(default_factory=list)
    marks: list[RuleMark] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    lists: dict[UUID, Loaded] = field(default_factory=dict)
    left: set[UUID] = field(default_factory=set)

    def offer(self, device: DeviceRow, lists: Loaded, offered: Sequence[Recipe], values: Values) -> None:
        """Every rule that fits; a later one may where an earlier one did not."""
        for recipe in offered:
            try:
                lists = self._give(device, lists, recipe, values)
            except Refusal as refusal:
                self.left.add(device.id)
                self.entries.append(_not_given(device.id, recipe, refusal, self.at))
            else:
                self.lists[device.id] = lists

    def _give(self, device: DeviceRow, lists: Loaded, recipe: Recipe, values: Values) -> Loaded:
        services.check_proven(device, recipe.secrets)
        filled = recipe.filled(values, self.at)
        run.check_room(lists.run, [(one.type.kind, None) for one in filled])
        new = list(_commands(device.id, services.next_position(lists.run), filled, self.at))
        self.commands += new
        self.marks.append(RuleMark(rule_id=recipe.rule_id, device_id=device.id, at=self.at))
        data = {"what": "rule given", "rule": recipe.name, "commands": [str(one.id) for one in new]}
        self.entries.append(Entry(device.id, self.at, timeline.Kind.CHANGED, data))
        commands = (*lists.run.commands, *map(_value, new))
        return replace(lists, run=replace(lists.run, commands=commands))

    def write(self) -> None:
        """In three statements."""
        Command.objects.bulk_create(self.commands)
        RuleMark.objects.bulk_create(self.marks)
        journal.record(self.entries)


def _commands(device_id: UUID, first: int, filled: Sequence[Filled], at: datetime) -> Iterator[Command]:
    for position, one in enumerate(filled, first):
        yield Command(
            id=uuid.uuid4(),
            device_id=device_id,
            position=position,
            type=one.type.name,
            description=one.description,
            request=one.params,
            secrets=one.secrets,
            created_at=at,
        )


def _value(command: Command) -> machine.Command:
    """The new command as the machine sees it, as if it had been read."""
    return machine.Command(
        id=command.id,
        position=command.position,
        kind=TYPES[command.type].kind,
        type=command.type,
        has_secrets=command.secrets is not None,
    )


def _not_given(device_id: UUID, recipe: Recipe, refusal: Refusal, at: datetime) -> Entry:
    """One entry a day for each rule and reason."""
    fold = f"{refusal.code}:{recipe.rule_id.hex}:{at:%Y%m%d}"
    data = {"code": refusal.code, "message": f"Rule {recipe.name!r} was not given. {refusal.message}"}
    return Entry(device_id, at, timeline.Kind.REFUSED, data, fold=fold)
