"""Provisioning rules as their owner writes them. `commands.giving` puts their commands on devices.

Whoever changes a rule holds its tenant's row, so that two never change the same rules at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from commands import placeholders, sealing, services
from commands.models import Rule, RuleCommand, RuleMark, RuleTag
from commands.services import Checked, New
from tenants import audit, store
from tenants.errors import Refusal
from tenants.models import Tenant

RULES_MOST = 100
"""Rules a tenant: all fit on one page, which is as far as some clients look."""

COMMANDS_MOST = services.BATCH_MOST

_COMMANDS = RuleCommand.objects.order_by("place").defer("secrets")
_PARTS = (Prefetch("tags", RuleTag.objects.order_by("id")), Prefetch("commands", _COMMANDS))


@dataclass(frozen=True, slots=True)
class Part:
    """A command of a rule that may be stored: whoever has one has had `check` pass. Texts are not filled in."""

    checked: Checked
    params: Mapping[str, object]


def check(given: Sequence[New]) -> list[Part]:
    """The commands, if every field of all holds for a sample device. Raises `Refusal`.

    Opening a private key takes a while: do it before anything is held.
    """
    return services.each(given, _check_one)


def _check_one(given: New) -> Part:
    checked = services.check(replace(given, request=placeholders.fill(given.request, placeholders.SAMPLE)))
    request = checked.request
    assert isinstance(given.request, Mapping)  # the check passed
    written: Mapping[str, object] = given.request[request.type.name]
    return Part(checked, placeholders.unfilled(request.type, written, request.params))


# ---- reading


def of_tenant(tenant_id: UUID) -> QuerySet[Rule]:
    """The tenant's rules, to be shown: with tags, commands, and in `devices` how many have been given it."""
    return shown(Rule.objects.filter(tenant_id=tenant_id))


def shown(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    """The same for any rules."""
    marks = RuleMark.objects.filter(rule=OuterRef("pk")).order_by().values("rule")
    counted = Subquery(marks.annotate(count=Count("pk")).values("count"))
    return rules.annotate(devices=Coalesce(counted, 0)).prefetch_related(*_PARTS)


def read(tenant_id: UUID, rule_id: UUID) -> Rule | None:
    """One rule of this tenant, to be shown; None, also for another tenant's rule."""
    return of_tenant(tenant_id).filter(id=rule_id).first()


def find(tenant_id: UUID, rule_id: UUID) -> Rule:
    """The same. Raises `Refusal` NOT_FOUND."""
    found = read(tenant_id, rule_id)
    if found is None:
        raise not_found()
    return found


def not_found() -> Refusal:
    """What is said of every rule that the asker has not."""
    return Refusal("NOT_FOUND", "There is no such rule. List yours with GET /v1/provisioning-rules.")


# ---- writing


def make(
    tenant_id: UUID, fields: Mapping[str, str], tags: Sequence[str], parts: Sequence[Part], *, active: bool
) -> UUID:
    """A new rule; an active one goes to devices from now on. Raises `Refusal` NAME_TAKEN or TOO_MANY."""
    with transaction.atomic():
        store.lock(tenant_id)
        if Rule.objects.filter(tenant_id=tenant_id).count() >= RULES_MOST:
            raise Refusal("TOO_MANY", f"You have {RULES_MOST} rules, which is the most: delete one first.")
        _check_name(tenant_id, fields["name"])
        rule = Rule.objects.create(tenant_id=tenant_id, created_at=timezone.now(), **fields)
        _write_parts(rule, tags, parts)
        _audit("rule.made", rule)
        if active:
            _switch(rule, on=True)
    return rule.id


def change(
    tenant_id: UUID,
    rule_id: UUID,
    fields: Mapping[str, str],
    tags: Sequence[str] | None = None,
    parts: Sequence[Part] | None = None,
    active: bool | None = None,
) -> None:
    """Writes what is not None. Raises `Refusal` RULE_FIXED, NAME_TAKEN or NOT_FOUND."""
    with transaction.atomic():
        rule = _hold_rule(tenant_id, rule_id)
        if rule.activated_at is not None and (tags is not None or parts is not None):
            raise Refusal(
                "RULE_FIXED",
                "Tags and commands of a rule stay as they were when it first became active: make a new rule, "
                "and switch this one off with active: false.",
            )
        if fields.get("name", rule.name) != rule.name:
            _check_name(tenant_id, fields["name"])
        if fields:
            Rule.objects.filter(id=rule_id).update(**fields)
        _write_parts(rule, tags, parts)
        named = {"tags": tags, "commands": parts}
        if changed := [*fields, *(name for name, value in named.items() if value is not None)]:
            _audit("rule.changed", rule, fields=changed)
        if active is not None and active != rule.active:
            _switch(rule, on=active)


def delete(tenant_id: UUID, rule_id: UUID) -> None:
    """The rule is gone; what it gave to devices stays on them. Raises `Refusal` NOT_FOUND."""
    with transaction.atomic():
        rule = _hold_rule(tenant_id, rule_id)
        _audit("rule.deleted", rule)
        rule.delete()


def _hold_rule(tenant_id: UUID, rule_id: UUID) -> Rule:
    """The stronger lock waits for those who are giving the rule, and keeps others from beginning to."""
    store.lock(tenant_id)
    rule = Rule.objects.select_for_update().filter(tenant_id=tenant_id, id=rule_id).first()
    if rule is None:
        raise not_found()
    return rule


def _check_name(tenant_id: UUID, name: str) -> None:
    if Rule.objects.filter(tenant_id=tenant_id, name=name).exists():
        raise Refusal(
            "NAME_TAKEN", f"You have another rule called {name!r}.", {"name": ["Another rule has it."]}
        )


def _audit(action: str, rule: Rule, **data: object) -> None:
    audit.record(action, "rule", rule.id, rule.tenant_id, {"name": rule.name, **data})


def _switch(rule: Rule, *, on: bool) -> None:
    if on:
        _activate(rule)
    else:
        Rule.objects.filter(id=rule.id).update(active=False)
    _audit("rule.activated" if on else "rule.switched-off", rule)


def _activate(rule: Rule) -> None:
    """All devices of the tenant are to be looked at again."""
    since = rule.activated_at or timezone.now()
    Rule.objects.filter(id=rule.id).update(active=True, activated_at=since)
    Tenant.objects.filter(id=rule.tenant_id).update(rules_version=F("rules_version") + 1)


def _write_parts(rule: Rule, tags: Sequence[str] | None, parts: Sequence[Part] | None) -> None:
    if tags is not None:
        RuleTag.objects.filter(rule=rule).delete()
        RuleTag.objects.bulk_create(RuleTag(rule=rule, tag=tag) for tag in tags)
    if parts is not None:
        RuleCommand.objects.filter(rule=rule).delete()
        RuleCommand.objects.bulk_create(
            RuleCommand(rule=rule, **_columns(n, p)) for n, p in enumerate(parts, 1)
        )


def _columns(place: int, part: Part) -> dict[str, Any]:
    request = part.checked.request
    return {
        "place": place,
        "type": request.type.name,
        "description": part.checked.description,
        "request": part.params,
        "secrets": sealing.sealed(request.secrets),
    }
