"""REST for webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import webhooks
from devices.webhook_serializers import (
    DeliverySerializer,
    MadeWebhook,
    NewWebhook,
    Tested,
    WebhookChange,
    WebhookSerializer,
)
from tenants import idempotency, pages
from tenants.auth import caller
from tenants.idempotency import Body, Made
from tenants.models import WebhookDelivery
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.serializers import Nothing
from tenants.views import Endpoint

TOPIC = "Webhooks"
OLDEST_FIRST = Order(("created_at", "id"))
NEWEST_FIRST = Order(("id",), newest_first=True)


def _shown(tenant_id: UUID, webhook_id: UUID) -> Body:
    return WebhookSerializer(webhooks.find(tenant_id, webhook_id)).data


class Webhooks(Endpoint):
    """The tenant's webhooks."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.ADMIN}
    queries: ClassVar = {"GET": PageQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listWebhooks", responses=pages.schema("WebhookPage", WebhookSerializer))
    def get(self, request: Request) -> Response:
        """Your webhooks, oldest first."""
        return self.page(webhooks.of_tenant(caller(request).tenant_id), OLDEST_FIRST, WebhookSerializer)

    @extend_schema(operation_id="createWebhook", request=NewWebhook, responses={201: MadeWebhook})
    def post(self, request: Request) -> Response:
        """Makes a webhook; the secret that signs its deliveries is shown in this answer and never again."""
        tenant_id = caller(request).tenant_id

        def check() -> dict[str, Any]:
            given = NewWebhook.read(request.data)
            webhooks.check_url(given["url"])
            return given

        def act(given: dict[str, Any]) -> Made:
            made, secret = webhooks.make(tenant_id, given["url"], given["events"], given["description"])
            return Made([made.id], {**_shown(tenant_id, made.id), "secret": secret})

        def again(ids: Sequence[UUID]) -> Body | None:
            found = webhooks.of_tenant(tenant_id).filter(id__in=ids).first()
            return {**WebhookSerializer(found).data, "secretShown": True} if found else None

        return idempotency.create(request, check, act, again)


class OneWebhook(Endpoint):
    """One webhook."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER, "PATCH": Role.ADMIN, "DELETE": Role.ADMIN}

    @extend_schema(operation_id="getWebhook", responses=WebhookSerializer)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """The webhook, and how it does."""
        return Response(_shown(caller(request).tenant_id, webhook_id))

    @extend_schema(operation_id="changeWebhook", request=WebhookChange, responses=WebhookSerializer)
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        """Changes what is named. What waits goes to the new address."""
        tenant_id = caller(request).tenant_id
        webhooks.change(tenant_id, webhook_id, WebhookChange.read(request.data))
        return Response(_shown(tenant_id, webhook_id))

    @extend_schema(operation_id="deleteWebhook", responses={204: None})
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        """Deletes the webhook and all that waits for it."""
        webhooks.delete(caller(request).tenant_id, webhook_id)
        return Response(status=204)


class Rotation(Endpoint):
    """A new secret."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"POST": Role.ADMIN}

    @extend_schema(operation_id="rotateWebhookSecret", request=Nothing, responses=MadeWebhook)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Makes a new secret, shown in this answer only; the old one signs beside it for 24 hours."""
        Nothing.read(request.data)
        tenant_id = caller(request).tenant_id
        secret = webhooks.rotate(tenant_id, webhook_id)
        return Response({**_shown(tenant_id, webhook_id), "secret": secret})


class Resumption(Endpoint):
    """A webhook that goes on."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"POST": Role.ADMIN}

    @extend_schema(operation_id="resumeWebhook", request=Nothing, responses=WebhookSerializer)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Lets a paused webhook listen again, and tries at once what waits for it, also if it only failed."""
        Nothing.read(request.data)
        tenant_id = caller(request).tenant_id
        webhooks.resume(tenant_id, webhook_id)
        return Response(_shown(tenant_id, webhook_id))


class Test(Endpoint):
    """An event that nothing happened for."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"POST": Role.ADMIN}

    @extend_schema(operation_id="testWebhook", request=Nothing, responses={202: Tested})
    def post(self, request: Request, webhook_id: UUID) -> Response:
        """Sends a `webhook.test` on the way that all events go."""
        Nothing.read(request.data)
        event_id = webhooks.test(caller(request).tenant_id, webhook_id)
        return Response(Tested({"eventId": event_id}).data, status=202)


class Deliveries(Endpoint):
    """What a webhook has not taken yet."""

    topic: ClassVar = TOPIC
    roles: ClassVar = {"GET": Role.VIEWER}
    queries: ClassVar = {"GET": PageQuery}

    @extend_schema(
        operation_id="listWebhookDeliveries", responses=pages.schema("DeliveryPage", DeliverySerializer)
    )
    def get(self, request: Request, webhook_id: UUID) -> Response:
        """The events that wait for this webhook, newest first; those that it took are not kept."""
        webhook = webhooks.find(caller(request).tenant_id, webhook_id)
        return self.page(WebhookDelivery.objects.filter(webhook=webhook), NEWEST_FIRST, DeliverySerializer)
