"""Webhooks: how they do, what waits for them, paused and resumed, deleted. They are made over REST."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from devices import webhooks
from tenants.admin import scope
from tenants.admin.asking import Question, ask
from tenants.admin.page import Page, attempt, by, display
from tenants.admin.times import moment
from tenants.models import Webhook, WebhookDelivery

SWITCH = "tenants_webhook_switch"
LIST = "admin:tenants_webhook_changelist"
PAGE = "admin:tenants_webhook_change"
COLOURS = {"active": "success", "failing": "warning", "paused": "danger"}
SHOWN = 100
"""Deliveries on a webhook's page."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A button; `states` are those in which it makes sense."""

    word: str
    done: str
    text: str
    act: Callable[[Webhook, str], None]
    states: Sequence[str]


SWITCHES: Mapping[str, Switch] = {
    "pause": Switch(
        "Pause",
        "is paused",
        "It hears of nothing that happens from now on. What waits for it stays, and goes on when it is resumed.",
        lambda webhook, who: webhooks.pause(webhook.tenant_id, webhook.id, f"Paused by {who}."),
        ("active", "failing"),
    ),
    "resume": Switch(
        "Resume",
        "is active",
        "What waits for it is tried at once.",
        lambda webhook, _: webhooks.resume(webhook.tenant_id, webhook.id),
        ("failing", "paused"),
    ),
}


@admin.register(Webhook)
class WebhookPage(Page[Webhook]):
    """Webhooks of all tenants; at most ten each."""

    tenant_path = "tenant_id"
    list_display = ("url", "tenant", "state", "failing", "waiting", "created")
    list_filter = (("tenant", scope.OwnSelectFilter),)
    list_select_related = ("tenant",)
    ordering = ("tenant", "created_at", "id")
    fields = ("url", "tenant", "state", "hears_of", "description", "failing", "paused", "created", "id")
    readonly_fields = fields
    actions = None
    change_form_template = "devices/webhook.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        """Webhooks with how much waits for each."""
        rows: QuerySet[Webhook] = super().get_queryset(request)
        return rows.annotate(waits=Count("deliveries"))

    @display(description="State", label=COLOURS)
    def state(self, webhook: Webhook) -> str:
        """How it does."""
        return webhooks.state(webhook)

    @display(description="Events")
    def hears_of(self, webhook: Webhook) -> str:
        """What it asked for."""
        return "all" if webhook.events == ["*"] else ", ".join(webhook.events)

    @display(description="Failing since (UTC)")
    def failing(self, webhook: Webhook) -> SafeString:
        """When its first failure without a success after it was."""
        return moment(webhook.failing_since)

    @display(description="Paused (UTC)")
    def paused(self, webhook: Webhook) -> str:
        """When and why."""
        if webhook.paused_at is None:
            return "no"
        return f"{webhook.paused_at:%Y-%m-%d %H:%M:%S}: {webhook.pause_reason}"

    @display(description="Waiting")
    def waiting(self, webhook: Webhook) -> int:
        """Deliveries that it has not taken."""
        return int(getattr(webhook, "waits", 0))

    @display(description="Created (UTC)")
    def created(self, webhook: Webhook) -> SafeString:
        """When it was made."""
        return moment(webhook.created_at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: POST /v1/webhooks makes one, and shows its secret to whoever will use it."""
        return False

    def delete_model(self, request: HttpRequest, obj: Webhook) -> None:
        """The webhook and what waits for it."""
        webhooks.delete(obj.tenant_id, obj.id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Named without what waits: these may be thousands."""
        return [str(one) for one in objs], {"webhooks": len(objs)}, set(), []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page with its buttons and what waits."""
        webhook: Webhook = context["original"]
        context.update(
            buttons=self._buttons(request, webhook),
            waiting=self.waiting(webhook),
            deliveries=WebhookDelivery.objects.filter(webhook=webhook).order_by("-id")[:SHOWN],
            shown=SHOWN,
            show_save=False,
            show_save_and_continue=False,
            show_save_and_add_another=False,
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def _buttons(self, request: HttpRequest, webhook: Webhook) -> Sequence[tuple[str, str]]:
        if not self.has_change_permission(request, webhook):
            return []
        return [
            (one.word, reverse(f"admin:{SWITCH}", args=[webhook.pk, key]))
            for key, one in SWITCHES.items()
            if webhooks.state(webhook) in one.states
        ]

    def get_urls(self) -> list[URLPattern]:
        """The usual ones and the buttons'."""
        view = self.admin_site.admin_view(self.switch)
        return [path("<uuid:webhook_id>/do/<slug:what>/", view, name=SWITCH), *super().get_urls()]

    def switch(self, request: HttpRequest, webhook_id: UUID, what: str) -> HttpResponse:
        """Asks, then pauses or resumes."""
        if (chosen := SWITCHES.get(what)) is None:
            raise Http404
        if not self.has_change_permission(request):
            raise PermissionDenied
        webhook = get_object_or_404(self.get_queryset(request), id=webhook_id)
        if not self.has_change_permission(request, webhook):
            raise PermissionDenied
        back = reverse(PAGE, args=[webhook.pk])
        if request.method != "POST":
            title = f"{chosen.word} the webhook to {webhook}?"
            return ask(request, self, Question(title, chosen.text, chosen.word, back), webhook)
        attempt(request, lambda: chosen.act(webhook, by(request)), f"The webhook {chosen.done}.")
        return redirect(back)
