"""REST for devices, their credentials and their timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from devices import claim_api, claiming, credentials, filters, services, store
from devices.claim_serializers import BulkClaimed, ClaimQuery, NewClaim, NothingClaimed, Possible
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
from pki.device_ca import DAYS
from tenants import idempotency, pages
from tenants.auth import Caller, caller
from tenants.idempotency import Body, Made
from tenants.pages import Order, PageQuery
from tenants.parsers import CSVParser, StrictJSONParser, csv_of
from tenants.roles import Role
from tenants.serializers import Strict
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


def _either(name: str, *shapes: type[serializers.Serializer[Any]]) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(component_name=name, serializers=shapes, resource_type_field_name=None)


class Devices(Endpoint):
    """The tenant's devices."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER, "POST": Role.EDITOR}
    queries: ClassVar = {"GET": filters.DeviceQuery, "POST": ClaimQuery}
    creates: ClassVar = ("POST",)
    parser_classes = (StrictJSONParser, CSVParser)

    @extend_schema(operation_id="listDevices", responses=pages.schema("DevicePage", DeviceSerializer))
    def get(self, request: Request) -> Response:
        """Your devices, newest first."""
        found = filters.narrowed(caller(request).tenant_id, self.query).prefetch_related(store.TAGS)
        return self.page(found, filters.NEWEST_FIRST, DeviceSerializer)

    @extend_schema(
        operation_id="claimDevices",
        request={"application/json": _either("NewClaimOrDevice", NewClaim, NewDevice), **claim_api.CSV},
        responses={
            201: _either("DeviceOrBulkClaimed", DeviceSerializer, BulkClaimed),
            202: Possible,
            409: NothingClaimed,
        },
    )
    def post(self, request: Request) -> Response:
        """Claims a device by its token; without `claimToken` defines one, whose id the service chooses.

        A CSV body of up to 1,000 rows `"<token>"[,"tag1,tag2"]` claims them all; those that cannot be claimed are in
        `failed`. It is CSV by its `Content-Type`, or by a header literally called `contentType`, or, without either,
        if it does not begin with a brace.
        """
        dry = self.query["dryrun"] == "true"
        if (text := csv_of(request)) is not None:
            return claim_api.claim_rows(request, text, dry)
        if "claimToken" in request.data:
            return _make(request, NewClaim, _claim, dry, "The device can be claimed.")
        return _make(request, NewDevice, _define, dry, "The device can be defined.")


def _make(
    request: Request,
    body: type[Strict],
    make: Callable[[Caller, Mapping[str, Any]], UUID],
    dry: bool,
    possible: str,
) -> Response:
    """201 with the device that `make` makes of the body; 202 if it only could."""
    asker = caller(request)
    if dry:
        claim_api.rehearse(lambda: make(asker, body.read(request.data)))
        return Response({"message": possible}, status=202)

    def act(given: dict[str, Any]) -> Made:
        device_id = make(asker, given)
        return Made([device_id], shown(asker.tenant_id, device_id))

    def again(ids: Sequence[UUID]) -> Body | None:
        found = store.read(asker.tenant_id, ids[0])
        return DeviceSerializer(found).data if found else None

    return idempotency.create(request, lambda: body.read(request.data), act, again)


def _claim(asker: Caller, given: Mapping[str, Any]) -> UUID:
    return claiming.claim(asker.tenant_id, given["claimToken"], given.get("tags", ()), asker.by)


def _define(asker: Caller, given: Mapping[str, Any]) -> UUID:
    device = services.define(asker.tenant_id, _fields(given), given.get("tags", ()), asker.by)
    if key := given.get("publicKey"):
        credentials.add_public_key(asker.tenant_id, device.id, key, 0, asker.by)
    return device.id


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
        """Makes a password, takes a public key, or issues a certificate for the key of a request.

        The old one of that kind dies after `overlap` seconds. A certificate names the device's id and nothing else,
        whatever its request asks for; it opens MQTT brokers that take certificates.
        """
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
        credentials.check_overlap(given["overlap"])
        return credentials.add_password(asker.tenant_id, device_id, given["overlap"], asker.by)
    if given["kind"] == Credential.Kind.CERTIFICATE:
        days = given.get("validityDays", DAYS)
        return credentials.add_certificate(
            asker.tenant_id, device_id, given["csr"], days, given["overlap"], asker.by
        )
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
