"""REST for identity keys, in an installation with one tenant. Source: docs/nrf-cloud.md."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from devices import claims_csv, identity_keys
from devices.claim_api import CSV
from devices.claim_serializers import FailedRow
from devices.models import IdentityKey
from devices.serializers import PUBLIC_KEY_MOST
from tenants import answers
from tenants.auth import Caller, caller
from tenants.errors import Refusal
from tenants.models import Tenant
from tenants.parsers import CSVParser, StrictJSONParser, csv_of
from tenants.roles import Role
from tenants.serializers import Lines, Moment, Problem, Strict, Text
from tenants.views import Endpoint


class NewIdentityKey(Strict):
    """A device's own public key, from its maker."""

    deviceId = Text(max_length=36, help_text="The UUID in the device's attestation token.")
    publicKey = Lines(
        max_length=PUBLIC_KEY_MOST,
        help_text="EC on P-256: PEM, base64 of the DER in one line, or modem style.",
    )


class IdentityKeySerializer(serializers.Serializer[IdentityKey]):
    """A device's identity key."""

    deviceId = serializers.UUIDField(source="device_id")
    publicKey = serializers.CharField(source="public_key", help_text="PEM.")
    createdAt = Moment(source="created_at")


class BulkImported(serializers.Serializer[Any]):
    """What became of the rows of an import; `importedIds` are also those that were known already."""

    importedIds = serializers.ListField(child=serializers.UUIDField())
    failed = FailedRow(many=True)


class NothingImported(Problem):
    """A refusal; of a CSV body also row by row."""

    importedIds = serializers.ListField(child=serializers.UUIDField(), required=False)
    failed = FailedRow(many=True, required=False)


def _check_alone(asker: Caller) -> None:
    """Raises `Refusal` FORBIDDEN where a key would prove claims of other tenants."""
    if Tenant.objects.exclude(id=asker.tenant_id).exists():
        raise Refusal(
            "FORBIDDEN",
            "Identity keys prove claims of every tenant, and this installation has several: its operator imports "
            "them with `manage.py identity_keys import FILE`.",
        )


class IdentityKeys(Endpoint):
    """The keys that claims are proved with."""

    topic: ClassVar = "Identity keys"
    roles: ClassVar = {"POST": Role.ADMIN}
    parser_classes = (StrictJSONParser, CSVParser)

    @extend_schema(
        operation_id="importIdentityKeys",
        request={"application/json": NewIdentityKey, **CSV},
        responses={
            201: PolymorphicProxySerializer(
                component_name="IdentityKeyOrBulkImported",
                serializers=[IdentityKeySerializer, BulkImported],
                resource_type_field_name=None,
            ),
            409: NothingImported,
        },
    )
    def post(self, request: Request) -> Response:
        """Imports a device's identity key, or up to 1,000 by CSV rows `deviceId,publicKey`.

        Sending it again changes nothing. Another key for a device is refused: delete the known one first. Only while
        the installation has one tenant.
        """
        _check_alone(caller(request))
        if (text := csv_of(request)) is not None:
            return _import_rows(text)
        body = NewIdentityKey.read(request.data)
        given = identity_keys.check(1, body["deviceId"], body["publicKey"])
        for wrong in identity_keys.store([given], replace=False).wrong:
            raise wrong.refusal
        return Response(IdentityKeySerializer(identity_keys.find(given.device_id)).data, status=201)


def _import_rows(text: str) -> Response:
    rows = claims_csv.read(text, identity_keys.HEADER)
    given, unread = identity_keys.split(rows, by_line=False)
    stored = identity_keys.store(given, replace=False)
    wrong = sorted([*unread, *stored.wrong], key=lambda one: one.place)
    refused = {one.place for one in wrong}
    taken = dict.fromkeys(str(one.device_id) for one in given if one.place not in refused)
    failed = [{"row": w.place, "code": w.refusal.code, "message": w.refusal.message} for w in wrong]
    body = {"importedIds": list(taken), "failed": failed}
    if taken:
        return Response(body, status=201)
    first = wrong[0]
    nothing = Refusal("CONFLICT", f"No row was imported. Row {first.place}: {first.refusal.message}")
    return Response({**answers.body(nothing), **body}, status=nothing.http)


class OneIdentityKey(Endpoint):
    """The key of one device."""

    topic: ClassVar = "Identity keys"
    roles: ClassVar = {"GET": Role.ADMIN, "DELETE": Role.ADMIN}

    @extend_schema(operation_id="getIdentityKey", responses=IdentityKeySerializer)
    def get(self, request: Request, device_id: UUID) -> Response:
        """The identity key that was imported for a device."""
        _check_alone(caller(request))
        return Response(IdentityKeySerializer(identity_keys.find(device_id)).data)

    @extend_schema(operation_id="removeIdentityKey", responses={204: None})
    def delete(self, request: Request, device_id: UUID) -> Response:
        """Forgets a device's identity key. What was claimed with it stays claimed."""
        _check_alone(caller(request))
        identity_keys.remove(device_id)
        return Response(status=204)
