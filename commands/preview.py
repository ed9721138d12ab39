"""What a rule would do: which devices it is for, and which commands they would get. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from commands import recipes
from commands.models import Rule, RuleCommand, RuleMark
from commands.recipes import Filled
from devices.models import Device, Tag
from devices.status import Status
from tenants.errors import Refusal

SHOWN = 100
"""Devices that are named."""

_LATER = Q(status__in=[Status.BLOCKED.value, Status.ERROR.value])


@dataclass(frozen=True, slots=True)
class Preview:
    """`matching` devices have all tags, `given` were given the rule already, `due` match and were not.

    `later` are those of `due` that are BLOCKED or in ERROR; `first` are the first `SHOWN` of `due`. `commands` are
    as the first device would get them, or as they are written where there is none or where they do not hold for it:
    then `problem` says why.
    """

    matching: int
    given: int
    due: int
    later: int
    first: Sequence[Device]
    commands: Sequence[Filled]
    problem: str | None


def preview(rule: Rule) -> Preview:
    """As things are now, also of a rule that is not active."""
    matching = _matching(rule)
    due = matching.filter(~Exists(RuleMark.objects.filter(rule=rule, device=OuterRef("pk"))))
    first = list(due.order_by("claimed_at", "id")[:SHOWN])
    commands, problem = _commands(rule, first[:1])
    given = RuleMark.objects.filter(rule=rule).count()
    return Preview(matching.count(), given, due.count(), due.filter(_LATER).count(), first, commands, problem)


def _matching(rule: Rule) -> QuerySet[Device]:
    found = Device.objects.filter(tenant_id=rule.tenant_id)
    for one in rule.tags.all():
        tagged = Tag.objects.filter(tenant_id=rule.tenant_id, tag=one.tag, device=OuterRef("pk"))
        found = found.filter(Exists(tagged))
    return found


def _commands(rule: Rule, first: Sequence[Device]) -> tuple[Sequence[Filled], str | None]:
    now = timezone.now()
    recipe = recipes.made(RuleCommand.objects.filter(rule=rule).select_related("rule").order_by("place"), now)
    if not first:
        return recipe.commands, None if recipe.refused is None else recipe.refused.message
    try:
        return recipe.filled(recipes.values(first[0]), now), None
    except Refusal as refusal:
        return recipe.commands, refusal.message
