"""The fields and shapes that REST is made of: strict in, plain out."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from tenants.models import APIKey, Member, Tenant
from tenants.roles import Role

ROLES = [role.value for role in Role]
NO_SUCH_FIELD = "There is no such field: leave it out."


class Strict(serializers.Serializer[Any]):
    """A body in which unknown fields are an error."""

    @classmethod
    def read(cls, data: object) -> dict[str, Any]:
        """The checked values. Raises ValidationError that names each wrong field."""
        body = cls(data=data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        errors: dict[str, Any] = {name[:64]: [NO_SUCH_FIELD] for name in sorted(unknown)}
        values: dict[str, Any] = {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as wrong:
            if not isinstance(wrong.detail, dict):
                raise
            errors = {**wrong.detail, **errors}
        if errors:
            raise ValidationError(errors)
        return values


class Nothing(Strict):
    """A body without fields: none at all, or {}."""


def check_line(text: str) -> None:
    """Raises ValidationError where the text holds a control character or half a surrogate pair."""
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise ValidationError("Must be one line without control characters.")


class Lines(serializers.CharField):
    """A text of any lines; a number is no text."""

    def __init__(self, **options: Any) -> None:
        messages: dict[str, Any] = {
            "invalid": "Must be a text.",
            "blank": "Must not be empty.",
            "null": "Must be a text, not null.",
            "required": "This field is needed.",
            "max_length": f"Must be a text of at most {options.get('max_length')} characters.",
        }
        super().__init__(error_messages=messages, **options)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Text(Lines):
    """One line of text, trimmed."""

    default_validators = [check_line]  # noqa: RUF012 - as its parent has it


class Whole(serializers.IntegerField):
    """A whole number; a text of digits is none."""

    def to_internal_value(self, data: object) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise ValidationError(f"Must be a whole number from {self.min_value} to {self.max_value}.")
        return super().to_internal_value(data)


class YesNo(serializers.BooleanField):
    """true or false; a text or a number is neither."""

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("Must be true or false.")
        return data


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[datetime, Any, str, Any]):
    """A point in time: ISO 8601, UTC, milliseconds, `Z`."""

    default_error_messages = {  # noqa: RUF012 - as its parent has it
        "required": "This field is needed.",
        "null": "Must be a time, not null.",
        "invalid": "Must be a time such as 2026-05-17T12:00:00.000Z.",
    }

    def to_internal_value(self, data: object) -> datetime:
        try:
            at = parse_datetime(data) if isinstance(data, str) else None
            if at is None:
                self.fail("invalid")
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def one_of(*choices: str) -> serializers.ChoiceField:
    """A field that takes one of these words."""
    return serializers.ChoiceField(
        choices=choices,
        error_messages={
            "invalid_choice": f"Must be one of {', '.join(choices)}.",
            "required": f"This field is needed: one of {', '.join(choices)}.",
            "null": f"Must be one of {', '.join(choices)}.",
        },
    )


# ---- tenants and API keys


class Problem(serializers.Serializer[Any]):
    """A refusal. `errors` names fields by their path, such as `commands[2].description`."""

    code = serializers.CharField(help_text="A word for programs, such as NOT_FOUND.")
    title = serializers.CharField(help_text="The code in words.")
    message = serializers.CharField(help_text="What is wrong here and what to do.")
    errors = serializers.DictField(  # type: ignore[assignment]  # a declared field is no attribute
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="By field."
    )


class TenantSerializer(serializers.Serializer[Tenant]):
    """A tenant."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    createdAt = Moment(source="created_at")
    sandbox = serializers.BooleanField(help_text="Its devices may be claimed without proof.")
    jwtWithoutExpiry = serializers.BooleanField(source="jwt_without_expiry")
    jwtAudienceRequired = serializers.BooleanField(source="jwt_audience_required")


class TenantChange(Strict):
    """What is to be changed of the tenant; what is left out stays."""

    jwtWithoutExpiry = YesNo(
        required=False, help_text="Devices may sign in by tokens that have neither exp nor iat."
    )
    jwtAudienceRequired = YesNo(required=False, help_text="Tokens without aud are refused.")


class NewAPIKey(Strict):
    """An API key to be made."""

    name = Text(max_length=100, help_text="What it is for, such as `ci`.")
    role = one_of(*ROLES)
    expiresAt = Moment(required=False, allow_null=True, help_text="Never, if left out.")


class APIKeySerializer(serializers.Serializer[APIKey]):
    """An API key, without its text."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    role = one_of(*ROLES)
    createdAt = Moment(source="created_at")
    expiresAt = Moment(source="expires_at", allow_null=True)
    revokedAt = Moment(source="revoked_at", allow_null=True)
    lastUsedAt = Moment(source="last_used_at", allow_null=True, help_text="To the minute.")


class MadeAPIKey(APIKeySerializer):
    """A new API key. `key` is shown once; a repeated request gets `secretShown` instead."""

    key = serializers.CharField(required=False)
    secretShown = serializers.BooleanField(required=False)


class NewMember(Strict):
    """A member to be made."""

    userName = Text(max_length=150, help_text="What they sign in with: ASCII letters, digits and @ . + - _.")
    role = one_of(*ROLES)
    existing = YesNo(
        required=False,
        default=False,
        help_text="The user is there already, in another tenant or once in this one, and keeps the password. Say so "
        "only of one that you know: whoever made it may know its password.",
    )


class MemberChange(Strict):
    """The member's new role."""

    role = one_of(*ROLES)


class MemberSerializer(serializers.Serializer[Member]):
    """Somebody who may sign in to the admin and see this tenant there, as far as the role goes."""

    id = serializers.UUIDField()
    userName = serializers.CharField(source="user.username")
    role = one_of(*ROLES)
    createdAt = Moment(source="created_at")


class MadeMember(MemberSerializer):
    """A new member. `password` of a new user is shown once; a repeated request gets `secretShown` instead."""

    password = serializers.CharField(required=False)
    secretShown = serializers.BooleanField(required=False)


class NewTenant(Strict):
    """A tenant to be made."""

    name = Text(max_length=100)
    sandbox = YesNo(
        required=False,
        default=False,
        help_text="Its devices may be claimed without proof, whoever they belong to.",
    )


class MadeTenant(TenantSerializer):
    """A new tenant. `apiKey` is its first owner's, shown once; a repeated request gets `secretShown` instead."""

    apiKey = serializers.CharField(required=False)
    secretShown = serializers.BooleanField(required=False)
