"""The shapes of provisioning rules and described tags. Source: API.md "Rules and tags"."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from commands.models import Rule
from commands.placeholders import KNOWN
from commands.preview import SHOWN
from commands.recipes import Filled
from commands.rules import COMMANDS_MOST
from commands.serializers import NewCommand, Schema, request_schema
from devices.models import Device
from devices.serializers import STATUSES, TAG_MOST, TAGS_MOST, Tags
from tenants.pages import LIMIT_MOST, PageQuery
from tenants.serializers import Moment, Strict, Text, one_of


@extend_schema_field(OpenApiTypes.BOOL)
class Flag(serializers.Field[bool, Any, bool, Any]):
    """true or false; no other word or number."""

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("Must be true or false.")
        return data


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": TAGS_MOST,
        "items": {"type": "string", "maxLength": TAG_MOST},
    }
)
class RuleTags(Tags):
    """The same as a device's, at least one."""

    default_error_messages = {  # noqa: RUF012 - as its parent has it
        "null": "Must be a list of texts.",
        "required": "This field is needed: a list of texts.",
        "none": "A rule needs at least one tag: it goes to devices that have all of them.",
        "count": f"A rule has at most {TAGS_MOST} tags.",
    }

    def to_internal_value(self, data: object) -> list[str]:
        tags = super().to_internal_value(data)
        if not tags:
            self.fail("none")
        return tags


class RuleQuery(PageQuery):
    """Everything that a tenant can have is on the first page, unless less is asked for."""

    pageLimit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LIMIT_MOST,
        default=LIMIT_MOST,
        help_text="Most items in the answer.",
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value", "max_string_length"),
            f"Must be a whole number from 1 to {LIMIT_MOST}.",
        ),
    )


def _commands(**options: Any) -> serializers.ListField:
    told = f"In order. Values of their requests, but for secrets, may name fields of the device: {KNOWN}."
    return serializers.ListField(
        child=NewCommand(), min_length=1, max_length=COMMANDS_MOST, help_text=told, **options
    )


class NewRule(Strict):
    """A rule to be made."""

    name = Text(max_length=100, help_text="Unique in your tenant.")
    description = Text(required=False, allow_blank=True, max_length=200)
    active = Flag(required=False, default=False, help_text="Whether devices get it from now on.")
    tags = RuleTags(help_text="A device must have all of them.")
    commands = _commands()


class RuleChange(Strict):
    """What is to be changed. Once a rule has been active, `tags` and `commands` stay as they are."""

    name = Text(required=False, max_length=100)
    description = Text(required=False, allow_blank=True, max_length=200)
    active = Flag(required=False)
    tags = RuleTags(required=False)
    commands = _commands(required=False)


class RuleCommandSerializer(serializers.Serializer[Any]):
    """A command of a rule. Secrets in `request` read `***`."""

    request = serializers.SerializerMethodField()
    description = serializers.CharField()

    @extend_schema_field(request_schema(masked=True))
    def get_request(self, command: Any) -> Schema:
        if isinstance(command, Filled):
            return {command.type.name: command.params}
        return {command.type: command.request}


class RuleSerializer(serializers.Serializer[Rule]):
    """A provisioning rule."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    active = serializers.BooleanField()
    tags = Tags()
    commands = RuleCommandSerializer(many=True)
    createdAt = Moment(source="created_at")
    activatedAt = Moment(
        source="activated_at", allow_null=True, help_text="When it first became active; null before."
    )
    devices = serializers.IntegerField(help_text="How many devices it was given to.")


class CountsSerializer(serializers.Serializer[Any]):
    """How many devices."""

    matching = serializers.IntegerField(help_text="They have all tags of the rule.")
    given = serializers.IntegerField(help_text="They were given it already.")
    due = serializers.IntegerField(help_text="They match and were not given it.")
    later = serializers.IntegerField(
        help_text="Those of `due` that are BLOCKED or in ERROR, and so must wait."
    )


class DueSerializer(serializers.Serializer[Device]):
    """A device that the rule is due to."""

    deviceId = serializers.UUIDField(source="id")
    name = serializers.CharField()
    serialNumber = serializers.CharField(source="serial_number")
    status = one_of(*STATUSES)


class PreviewSerializer(serializers.Serializer[Any]):
    """What a rule would do."""

    devices = CountsSerializer(source="*")
    items = DueSerializer(source="first", many=True, help_text=f"The first {SHOWN} of `due`.")
    commands = RuleCommandSerializer(
        many=True,
        help_text="As the first of `items` would get them; as they are written where there is none.",
    )
    problem = serializers.CharField(
        allow_null=True, help_text="Why the commands do not hold for it, or for any device."
    )


class NewTag(Strict):
    """A tag to be described."""

    tag = Text(max_length=TAG_MOST, help_text="Without commas: these part tags from each other.")
    description = Text(required=False, allow_blank=True, max_length=200)

    def validate_tag(self, value: str) -> str:
        if "," in value:
            raise ValidationError("Must be one tag: commas part tags from each other.")
        return value


class TagSerializer(serializers.Serializer[Any]):
    """A described tag."""

    tag = serializers.CharField()
    description = serializers.CharField()
    devices = serializers.IntegerField(help_text="How many devices have it.")
