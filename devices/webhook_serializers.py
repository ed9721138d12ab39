"""The shapes of webhooks in REST."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from devices import webhooks
from devices.event_kinds import CHOICES, Kind
from devices.hook_addresses import URL_MOST
from tenants.models import Webhook, WebhookDelivery
from tenants.serializers import Moment, Strict, Text, one_of

STATES = ["active", "failing", "paused"]
EVENTS = list(CHOICES)
EVENT_KINDS = [kind.value for kind in Kind]


def _events(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=one_of(*EVENTS),
        min_length=1,
        max_length=len(EVENTS),
        help_text='What it hears of; `["*"]`: everything, what later versions add too.',
        error_messages={
            "required": 'This field is needed: a list of kinds of events, or ["*"].',
            "not_a_list": "Must be a list of kinds of events.",
            "empty": "Must name at least one kind of event.",
            "min_length": "Must name at least one kind of event.",
            "max_length": f"Must name at most {len(EVENTS)} kinds of events.",
            "null": "Must be a list of kinds of events, not null.",
        },
        **options,
    )


class NewWebhook(Strict):
    """A webhook to be made."""

    url = Text(max_length=URL_MOST, help_text="https only. It is shown to viewers: put no secret into it.")
    events = _events()
    description = Text(max_length=200, required=False, allow_blank=True, default="")


class WebhookChange(Strict):
    """What is to be changed of a webhook; what is left out stays."""

    url = Text(max_length=URL_MOST, required=False)
    events = _events(required=False)
    description = Text(max_length=200, required=False, allow_blank=True)


class WebhookSerializer(serializers.Serializer[Webhook]):
    """A webhook, without its secret."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    events = serializers.ListField(child=one_of(*EVENTS))
    description = serializers.CharField(allow_blank=True)
    state = serializers.SerializerMethodField(
        help_text="`failing`: deliveries are tried again; `paused`: it hears of nothing until it is resumed."
    )
    createdAt = Moment(source="created_at")
    failingSince = Moment(source="failing_since", allow_null=True)
    pausedAt = Moment(source="paused_at", allow_null=True)
    pauseReason = serializers.CharField(source="pause_reason", allow_blank=True)
    waiting = serializers.SerializerMethodField(help_text="Deliveries that it has not taken yet.")

    def get_state(self, webhook: Webhook) -> str:
        return webhooks.state(webhook)

    def get_waiting(self, webhook: Webhook) -> int:
        return int(getattr(webhook, "waiting", 0))


class MadeWebhook(WebhookSerializer):
    """A new webhook, or a new secret. `secret` is shown once; a repeated request gets `secretShown` instead."""

    secret = serializers.CharField(required=False, help_text="What its deliveries are signed with.")
    secretShown = serializers.BooleanField(required=False)


class Tested(serializers.Serializer[Any]):
    """A test that is on its way."""

    eventId = serializers.UUIDField()


class DeliverySerializer(serializers.Serializer[WebhookDelivery]):
    """An event that a webhook has not taken yet."""

    eventId = serializers.UUIDField(source="event_id")
    kind = one_of(*EVENT_KINDS)
    deviceId = serializers.UUIDField(source="body.deviceId", allow_null=True)
    createdAt = Moment(source="created_at")
    dueAt = Moment(source="due_at", help_text="When it is tried, unless one before it has to wait.")
    tries = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True, help_text="Why it was not taken the last time.")
