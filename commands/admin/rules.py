"""Provisioning rules: looked at, switched on and off, deleted. They are written over REST."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from commands import rules
from commands.catalogue import TYPES
from commands.models import Rule
from commands.preview import SHOWN, Preview, preview
from commands.recipes import Filled
from devices.admin.labels import STATUS, label
from tenants.admin import scope
from tenants.admin.asking import Question, ask
from tenants.admin.page import Page, attempt, display
from tenants.admin.times import moment

SWITCH = "commands_rule_switch"
LIST = "admin:commands_rule_changelist"
PAGE = "admin:commands_rule_change"
COLOURS = {"active": "success", "off": "warning", "draft": "default"}


@dataclass(frozen=True, slots=True)
class Switch:
    """A button that turns a rule on or off."""

    word: str
    done: str
    text: Callable[[Preview], str]
    to: bool


def _reach(found: Preview) -> str:
    waiting = f", {found.later} of them only once no longer BLOCKED or in ERROR" if found.later else ""
    return (
        f"Its commands go to {_many(found.due)} at the next contact{waiting}; and to every device that has its tags "
        "later. Tags and commands never change from then on."
    )


SWITCHES: Mapping[str, Switch] = {
    "activate": Switch("Activate", "is active", _reach, to=True),
    "deactivate": Switch(
        "Deactivate",
        "is switched off",
        lambda _: "No device gets it any more. Commands that it gave to devices stay on them.",
        to=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A command as the page shows it."""

    name: str
    description: str
    request: str


@admin.register(Rule)
class RulePage(Page[Rule]):
    """Rules of all tenants; at most a hundred each."""

    tenant_path = "tenant_id"
    list_display = ("name", "tenant", "state", "tags_shown", "given", "created")
    list_filter = (("tenant", AutocompleteSelectFilter),)
    list_select_related = ("tenant",)
    search_fields = ("name__startswith",)
    search_help_text = "Beginning of the name"
    ordering = ("tenant", "created_at", "id")
    fields = ("name", "tenant", "state", "description", "tags_shown", "given", "created", "activated", "id")
    readonly_fields = fields
    actions = None
    change_form_template = "commands/rule.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        """Rules with what their rows show."""
        return rules.shown(super().get_queryset(request))

    @display(description="State", label=COLOURS)
    def state(self, rule: Rule) -> str:
        """Whether devices get it."""
        if rule.active:
            return "active"
        return "draft" if rule.activated_at is None else "off"

    @display(description="Tags")
    def tags_shown(self, rule: Rule) -> SafeString:
        """What a device must have."""
        return format_html_join(
            " ", "<span class='ks-tag'>{}</span>", ((one.tag,) for one in rule.tags.all())
        )

    @display(description="Given to")
    def given(self, rule: Any) -> str:
        """How many devices have been given it."""
        return _many(rule.devices)

    @display(description="Created (UTC)")
    def created(self, rule: Rule) -> SafeString:
        """When it was made."""
        return moment(rule.created_at)

    @display(description="First active (UTC)")
    def activated(self, rule: Rule) -> SafeString:
        """Since when tags and commands are fixed."""
        return moment(rule.activated_at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Commands are written over REST, where they are checked as they are for devices."""
        return False

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        """Deletes the rule; what it gave stays."""
        rules.delete(obj.tenant_id, obj.id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a rule is said in one line: the marks of devices could be a hundred thousand."""
        gone = [f"{rule}: devices keep the commands that it gave them" for rule in objs]
        return gone, {"rules": len(gone)}, set(), []

    def get_urls(self) -> list[URLPattern]:
        """The usual ones and the switches."""
        view = self.admin_site.admin_view(self.switch)
        return [path("<uuid:rule_id>/switch/<slug:key>/", view, name=SWITCH), *super().get_urls()]

    def switch(self, request: HttpRequest, rule_id: UUID, key: str) -> HttpResponse:
        """Asks, then turns the rule on or off."""
        if key not in SWITCHES:
            raise Http404
        if not self.has_change_permission(request):
            raise PermissionDenied
        rule, chosen = get_object_or_404(Rule, id=self._seen(request, rule_id)), SWITCHES[key]
        if not self.has_change_permission(request, rule):
            raise PermissionDenied
        back = reverse(PAGE, args=[rule.pk])
        if request.method != "POST":
            title, text = f"{chosen.word} rule {rule}?", chosen.text(preview(rule))
            return ask(request, self, Question(title, text, chosen.word, back), rule)

        def act() -> None:
            rules.change(rule.tenant_id, rule.id, {}, active=chosen.to)

        if attempt(request, act, f"Rule {rule} {chosen.done}."):
            self.log_change(request, rule, f"Rule {chosen.done}.")
        return redirect(back)

    def _seen(self, request: HttpRequest, rule_id: UUID) -> UUID | None:
        """The id, if it is that of a rule that they see."""
        return self.get_queryset(request).filter(id=rule_id).values_list("id", flat=True).first()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page with its commands, and what the rule would do now."""
        rule: Rule = context["original"]
        found = preview(rule)
        if not scope.may(request, "devices.view_device", rule.tenant_id):
            found = _nameless(rule, found)
        context.update(
            buttons=self._buttons(request, rule),
            preview=found,
            due=[(device, label(device.status, STATUS)) for device in found.first],
            shown=SHOWN,
            lines=_lines(found.commands),
            show_save=False,
            show_save_and_continue=False,
            show_save_and_add_another=False,
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def _buttons(self, request: HttpRequest, rule: Rule) -> Sequence[tuple[str, str]]:
        if not self.has_change_permission(request, rule):
            return []
        return [
            (one.word, reverse(f"admin:{SWITCH}", args=[rule.pk, key]))
            for key, one in SWITCHES.items()
            if one.to != rule.active
        ]


def _lines(commands: Sequence[Filled]) -> list[Line]:
    return [
        Line(f"{place} {one.type.name}", one.description, _text({one.type.name: one.params}))
        for place, one in enumerate(commands, 1)
    ]


def _nameless(rule: Rule, found: Preview) -> Preview:
    """The numbers only, and the commands as they are written: without anything of a device."""
    written = [Filled(TYPES[one.type], one.description, one.request) for one in rule.commands.all()]
    return replace(found, first=(), commands=written, problem=None)


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False).replace("\\n", "\n")


def _many(count: int) -> str:
    return "1 device" if count == 1 else f"{count} devices"
