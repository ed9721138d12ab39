"""The shapes of devices, their credentials and their timeline. Source: API.md "Devices"."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from devices.credentials import OVERLAP_MOST
from devices.models import Credential, Device, TimelineEntry
from devices.status import ProvisioningState, Status
from devices.timeline import Kind
from pki.device_ca import DAYS, DAYS_MOST
from tenants.serializers import Lines, Moment, Strict, Text, Whole, check_line, one_of

STATUSES = [status.value for status in Status]
PROVISIONING_STATES = [state.value for state in ProvisioningState]
CREDENTIAL_KINDS = [kind.value for kind in Credential.Kind]
TIMELINE_KINDS = [kind.value for kind in Kind]
TAGS_MOST, TAG_MOST = 50, 100
PUBLIC_KEY_MOST = 16 * 1024

NO_TEMPLATE = "There is no such template: this installation has none yet. Leave it out."


@extend_schema_field(
    {"type": "array", "maxItems": TAGS_MOST, "items": {"type": "string", "maxLength": TAG_MOST}}
)
class Tags(serializers.Field[list[str], Any, list[str], Any]):
    """Texts, each once; a comma parts two tags, as some clients send them."""

    default_error_messages = {  # noqa: RUF012 - as its parent has it
        "null": "Must be a list of texts; [] for none.",
        "invalid": "Must be a list of texts.",
        "length": f"Each tag must be a text of 1 to {TAG_MOST} characters.",
        "count": f"A device has at most {TAGS_MOST} tags.",
    }

    def to_internal_value(self, data: object) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
            self.fail("invalid")
        tags = list(dict.fromkeys(part.strip() for one in data for part in one.split(",")))
        for tag in tags:
            check_line(tag)
            if not 1 <= len(tag) <= TAG_MOST:
                self.fail("length")
        if len(tags) > TAGS_MOST:
            self.fail("count")
        return tags

    def to_representation(self, value: Any) -> list[str]:
        return [tag.tag for tag in value.all()]


class DeviceFields(Strict):
    """What an owner writes on a device."""

    name = Text(required=False, allow_blank=True, max_length=100)
    serialNumber = Text(
        required=False, allow_blank=True, max_length=100, help_text="Yours, unique in your tenant."
    )
    tags = Tags(required=False)
    vendorId = Text(required=False, allow_blank=True, max_length=100)
    classId = Text(required=False, allow_blank=True, max_length=100)


def no_template(value: object) -> None:
    """Raises ValidationError: there are no templates yet."""
    raise ValidationError(NO_TEMPLATE)


class NewDevice(DeviceFields):
    """A device to be defined."""

    templateId = serializers.UUIDField(
        required=False, allow_null=True, validators=[no_template], help_text="No templates exist yet."
    )
    publicKey = Lines(
        required=False,
        max_length=PUBLIC_KEY_MOST,
        help_text="PEM; becomes the device's `publicKey` credential.",
    )


class DeviceChange(DeviceFields):
    """What is to be changed of a device; what is left out stays."""

    group = Text(required=False, allow_blank=True, max_length=100)


class DeviceSerializer(serializers.Serializer[Device]):
    """A device."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    serialNumber = serializers.CharField(source="serial_number")
    deviceType = serializers.CharField(source="device_type")
    firmwareId = serializers.CharField(source="firmware_id")
    imei = serializers.CharField()
    ownerId = serializers.UUIDField(source="tenant_id", help_text="The tenant.")
    ownershipStatus = serializers.CharField(source="ownership_status")
    tags = Tags()
    status = one_of(*STATUSES)
    provisioningState = serializers.ChoiceField(source="provisioning_state", choices=PROVISIONING_STATES)
    templateId = serializers.UUIDField(source="template_id", allow_null=True)
    vendorId = serializers.CharField(source="vendor_id")
    classId = serializers.CharField(source="class_id")
    pendingCommands = serializers.IntegerField(source="pending", help_text="What a pull would bring now.")
    lastSeenAt = Moment(source="last_seen_at", allow_null=True)
    claimedAt = Moment(source="claimed_at")


_MADE_HERE = "A password is made here"
_BY_REQUEST = "A certificate takes the request's key"
_ONLY_FOR_CERTIFICATES = "It is for the kind certificate only"
NEEDED = {"publicKey": "publicKey", "certificate": "csr"}
OF_KIND = {
    "publicKey": ("publicKey", {"password": _MADE_HERE, "certificate": _BY_REQUEST}),
    "csr": ("certificate", {"password": _ONLY_FOR_CERTIFICATES, "publicKey": _ONLY_FOR_CERTIFICATES}),
    "validityDays": (
        "certificate",
        {"password": _ONLY_FOR_CERTIFICATES, "publicKey": _ONLY_FOR_CERTIFICATES},
    ),
}
"""By field, the kind that it is for and what is said to the others."""


class NewCredential(Strict):
    """A credential to be made."""

    kind = one_of(*CREDENTIAL_KINDS)
    overlap = Whole(
        required=False,
        default=0,
        min_value=0,
        max_value=OVERLAP_MOST,
        help_text="Seconds for which the old credential of this kind still works; 0: it dies at once.",
    )
    publicKey = Lines(
        required=False, max_length=PUBLIC_KEY_MOST, help_text="PEM; for the kind `publicKey`, and only there."
    )
    csr = Lines(
        required=False,
        max_length=PUBLIC_KEY_MOST,
        help_text="A PKCS#10 request, PEM or modem style; for the kind `certificate`, and only there. "
        "Its key is taken and nothing else: the certificate names the device's id.",
    )
    validityDays = Whole(
        required=False,
        min_value=1,
        max_value=DAYS_MOST,
        help_text=f"For the kind `certificate`, and only there: {DAYS}, if left out.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = attrs["kind"]
        wanted = NEEDED.get(kind)
        if wanted is not None and wanted not in attrs:
            raise ValidationError({wanted: [f"This field is needed for the kind {kind}."]})
        for field, (owner, instead) in OF_KIND.items():
            if field in attrs and kind != owner:
                raise ValidationError({field: [f"{instead[kind]}: leave the field out."]})
        return attrs


class CredentialSerializer(serializers.Serializer[Credential]):
    """A credential, without its secret. A device signs in to the MQTT broker by `userName` and secret.

    With a certificate it needs neither. `certificate` and `serial` are there for that kind only.
    """

    id = serializers.UUIDField()
    kind = one_of(*CREDENTIAL_KINDS)
    userName = serializers.UUIDField(source="device_id", help_text="The device's id.")
    createdAt = Moment(source="created_at")
    expiresAt = Moment(source="expires_at", allow_null=True)
    certificate = serializers.CharField(
        required=False, help_text="PEM: the device's certificate and behind it the device CA's."
    )
    serial = serializers.CharField(required=False, help_text="Its serial number, hexadecimal.")

    def to_representation(self, instance: Credential) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not shown["serial"]:
            del shown["certificate"], shown["serial"]
        return shown


class MadeCredential(CredentialSerializer):
    """A new credential. `secret` is shown once; a repeated request gets `secretShown` instead."""

    secret = serializers.CharField(required=False)
    secretShown = serializers.BooleanField(required=False)


class TimelineEntrySerializer(serializers.Serializer[TimelineEntry]):
    """One thing that happened."""

    at = Moment()
    kind = serializers.ChoiceField(choices=TIMELINE_KINDS)
    commandId = serializers.UUIDField(source="command_id", required=False)
    data = serializers.SerializerMethodField()  # type: ignore[assignment]  # see `Problem.errors`

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_data(self, entry: TimelineEntry) -> dict[str, Any]:
        """What happened; equal refusals within a minute are one, with their `count`."""
        return {**entry.data, "count": entry.count} if entry.kind == Kind.REFUSED.value else entry.data

    def to_representation(self, instance: TimelineEntry) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if shown["commandId"] is None:
            del shown["commandId"]
        return shown
