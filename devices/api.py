"""REST for devices, their credentials and their timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import credentials, filters, services, store
from devices.credentials import Made as MadeSecret
from devices.models import Credential, TimelineEntry
from devices.serializers import (
    CredentialSerializer,
    DeviceChange,
    DeviceSerializer,
    MadeCredential,
    NewCredential,
    NewDevice,
    TimelineEntrySerializer,
)
from tenants import idempotency, pages
from tenants.auth import Caller, caller
from tenants.idempotency import Body, Made
from tenants.pages import Order, PageQuery
from tenants.roles import Role
from tenants.views import Endpoint

_COLUMNS: Mapping[str, str] = {
    "name": "name",
    "serialNumber": "serial_number",
    "vendorId": "vendor_id",
    "classId": "class_id",
    "group": "group",
}


def _fields(given: Mapping[str, Any]) -> dict[str, str]:
    return {column: given[name] for name, column in _COLUMNS.items() if name in given}


def shown(tenant_id: UUID, device_id: UUID) -> Body:
    """The device object as it is now. Raises `Refusal` NOT_FOUND."""
    return DeviceSerializer(store.find(tenant_id, device_id)).data


class Devices(Endpoint):
    """The tenant's devices."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.EDITOR}
    queries: ClassVar = {"GET": filters.DeviceQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(operation_id="listDevices", responses=pages.schema("DevicePage", DeviceSerializer))
    def get(self, request: Request) -> Response:
        """Your devices, newest first."""
        found = filters.narrowed(caller(request).tenant_id, self.query).prefetch_related(store.TAGS)
        return self.page(found, filters.NEWEST_FIRST, DeviceSerializer)

    @extend_schema(operation_id="defineDevice", request=NewDevice, responses={201: DeviceSerializer})
    def post(self, request: Request) -> Response:
        """Defines a device; the service chooses its id."""
        asker = caller(request)

        def act(given: dict[str, Any]) -> Made:
            device = services.define(asker.tenant_id, _fields(given), given.get("tags", ()), asker.by)
            if key := given.get("publicKey"):
                credentials.add_public_key(asker.tenant_id, device.id, key, 0, asker.by)
            return Made([device.id], shown(asker.tenant_id, device.id))

        def again(ids: Sequence[UUID]) -> Body | None:
            found = store.read(asker.tenant_id, ids[0])
            return DeviceSerializer(found).data if found else None

        return idempotency.create(request, lambda: NewDevice.read(request.data), act, again)


class OneDevice(Endpoint):
    """One device."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER, "PATCH": Role.EDITOR, "DELETE": Role.EDITOR}

    @extend_schema(operation_id="getDevice", responses=DeviceSerializer)
    def get(self, request: Request, device_id: UUID) -> Response:
        """The device."""
        return Response(shown(caller(request).tenant_id, device_id))

    @extend_schema(operation_id="changeDevice", request=DeviceChange, responses=DeviceSerializer)
    def patch(self, request: Request, device_id: UUID) -> Response:
        """Changes what is named; `tags` replaces all of them."""
        asker, given = caller(request), DeviceChange.read(request.data)
        with transaction.atomic():
            if given:
                services.change(asker.tenant_id, device_id, _fields(given), given.get("tags"), asker.by)
            return Response(shown(asker.tenant_id, device_id))

    @extend_schema(operation_id="deleteDevice", responses={204: None})
    def delete(self, request: Request, device_id: UUID) -> Response:
        """Unclaims: the device and all that hangs on it are gone, and its live session ends."""
        with transaction.atomic():
            services.delete(caller(request).tenant_id, device_id)
        return Response(status=204)


class Credentials(Endpoint):
    """A device's credentials."""

    topic: ClassVar = "Credentials"
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.EDITOR}
    queries: ClassVar = {"GET": PageQuery}
    creates: ClassVar = ("POST",)

    @extend_schema(
        operation_id="listCredentials", responses=pages.schema("CredentialPage", CredentialSerializer)
    )
    def get(self, request: Request, device_id: UUID) -> Response:
        """The device's credentials, newest first, without secrets."""
        store.find(caller(request).tenant_id, device_id)
        found = Credential.objects.filter(device_id=device_id)
        return self.page(found, Order(("created_at", "id"), newest_first=True), CredentialSerializer)

    @extend_schema(operation_id="createCredential", request=NewCredential, responses={201: MadeCredential})
    def post(self, request: Request, device_id: UUID) -> Response:
        """Makes a password, or takes a public key; the old one of that kind dies after `overlap` seconds."""
        asker = caller(request)

        def act(given: dict[str, Any]) -> Made:
            made = _made(asker, device_id, given)
            secret = {} if made.secret is None else {"secret": made.secret}
            return Made([made.credential.id], {**CredentialSerializer(made.credential).data, **secret})

        def again(ids: Sequence[UUID]) -> Body | None:
            found = Credential.objects.filter(device_id=device_id, id__in=ids).first()
            if found is None:
                return None
            hidden = {"secretShown": True} if found.kind == Credential.Kind.PASSWORD else {}
            return {**CredentialSerializer(found).data, **hidden}

        return idempotency.create(request, lambda: NewCredential.read(request.data), act, again)


def _made(asker: Caller, device_id: UUID, given: Mapping[str, Any]) -> MadeSecret:
    if given["kind"] == Credential.Kind.PASSWORD:
        return credentials.add_password(asker.tenant_id, device_id, given["overlap"], asker.by)
    return credentials.add_public_key(
        asker.tenant_id, device_id, given["publicKey"], given["overlap"], asker.by
    )


class OneCredential(Endpoint):
    """One of a device's credentials."""

    topic: ClassVar = "Credentials"
    roles: ClassVar = {"DELETE": Role.EDITOR}

    @extend_schema(operation_id="revokeCredential", responses={204: None})
    def delete(self, request: Request, device_id: UUID, credential_id: UUID) -> Response:
        """Revokes the credential; the device's live session ends."""
        asker = caller(request)
        with transaction.atomic():
            credentials.revoke(asker.tenant_id, device_id, credential_id, asker.by)
        return Response(status=204)


class Timeline(Endpoint):
    """What happened to a device."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER}
    queries: ClassVar = {"GET": PageQuery}

    @extend_schema(
        operation_id="listTimeline", responses=pages.schema("TimelinePage", TimelineEntrySerializer)
    )
    def get(self, request: Request, device_id: UUID) -> Response:
        """What was served, answered, changed and refused, newest first: 90 days and 1,000 entries of it."""
        store.find(caller(request).tenant_id, device_id)
        found = TimelineEntry.objects.filter(device_id=device_id)
        return self.page(found, Order(("id",), newest_first=True), TimelineEntrySerializer)
