"""The shapes of commands. What a request may hold is read from the catalogue. Source: API.md "Commands"."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from commands.catalogue import MASK, TYPES, CommandType
from commands.checks import PAIR_NAME_MOST, PAIR_VALUE_MOST, PAIRS_MOST
from commands.explain import Explanation
from commands.machine import ErrorCode, State
from commands.models import STATES, Command
from commands.services import BATCH_MOST, New
from devices.serializers import STATUSES
from tenants import ids
from tenants.serializers import Moment, Strict, Text, one_of

ERROR_CODES = [code.value for code in ErrorCode]
RUNS = ("current", "all")
SKIPPED = "Its owner skipped it."

Schema = dict[str, Any]


def request_schema(masked: bool) -> Schema:
    """OpenAPI's view of the catalogue: an object with exactly one key, the type. `masked`: as it is shown."""
    return {"type": "object", "oneOf": [_one(made, masked) for made in TYPES.values()]}


def _one(made: CommandType, masked: bool) -> Schema:
    return {
        "type": "object",
        "title": made.name,
        "description": made.summary,
        "required": [made.name],
        "additionalProperties": False,
        "properties": {made.name: _params(made, masked)},
    }


def _params(made: CommandType, masked: bool) -> Schema:
    if made.pairs is not None:
        value = {"type": "string", "maxLength": PAIR_VALUE_MOST}
        names = f"Names have 1 to {PAIR_NAME_MOST} characters."
        pairs = {"minProperties": 1, "maxProperties": PAIRS_MOST, "additionalProperties": value}
        return {"type": "object", "description": names, **pairs}
    shown: Schema = {"type": "string", "enum": [MASK]}
    fields = {field.name: shown if masked and field.secret else dict(field.schema) for field in made.fields}
    params: Schema = {"type": "object", "properties": fields, "additionalProperties": False}
    return {**params, "required": list(fields)} if fields else params


@extend_schema_field(request_schema(masked=False))
class Request(serializers.JSONField):
    """`{<type>: {…}}`; `commands.catalogue` checks it."""


class NewCommand(Strict):
    """A command to be put at the end of the list."""

    request = Request(error_messages={"required": "This field is needed: an object with one key, the type."})
    description = Text(required=False, allow_blank=True, max_length=200)
    issue = serializers.JSONField(
        required=False, help_text="This installation issues no certificates yet: leave it out."
    )


class NewCommands(Strict):
    """Commands to be put at the end of the list, all or none."""

    commands = serializers.ListField(child=NewCommand(), min_length=1, max_length=BATCH_MOST)


def new(given: Mapping[str, Any]) -> New:
    """What the services ask for."""
    return New(given["request"], given.get("description", ""), given.get("issue"))


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a command failed."""

    code = serializers.ChoiceField(choices=ERROR_CODES)
    message = serializers.CharField()
    deviceCode = serializers.IntegerField(required=False, help_text="The device's own number.")


class CommandSerializer(serializers.Serializer[Command]):
    """A command. Secrets in `request` read `***`; `response` has what the device made, under the type."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    description = serializers.CharField()
    request = serializers.SerializerMethodField()
    status = one_of(*STATES)
    response = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    attempt = serializers.IntegerField()
    deliveries = serializers.IntegerField()
    createdAt = Moment(source="created_at")
    servedAt = Moment(source="served_at", allow_null=True)
    closedAt = Moment(source="closed_at", allow_null=True)

    @extend_schema_field(request_schema(masked=True))
    def get_request(self, command: Command) -> Schema:
        return {command.type: command.request}

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {"type": "object"}})
    def get_response(self, command: Command) -> Schema | None:
        """null until the command is closed; `message` says why it did not succeed."""
        kept = dict(command.response or {})
        match State(command.status):
            case State.SUCCEEDED:
                return {command.type: kept}
            case State.FAILED | State.SKIPPED:
                message = command.error["message"] if command.error else SKIPPED
                return {command.type: {**kept, "message": message}}
        return None

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, command: Command) -> Schema | None:
        if command.error is None:
            return None
        detail = command.error["detail"]
        error = {"code": command.error["code"], "message": command.error["message"]}
        return error if detail is None else {**error, "deviceCode": detail}


class CommandsSerializer(serializers.Serializer[Any]):
    """Several commands, in order."""

    items = CommandSerializer(many=True)


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class Secrets(serializers.JSONField):
    """Secrets of one command by field; the catalogue checks them."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError("Must be an object of texts.")
        return data


class Reset(Strict):
    """`secrets` are needed where they were erased because the device had confirmed them."""

    secrets = Secrets(required=False)


class ResetAll(Strict):
    """The same, by command id."""

    secrets = serializers.DictField(child=Secrets(), required=False)

    def validate_secrets(self, value: Mapping[str, object]) -> Mapping[object, object]:
        if wrong := [name for name in value if ids.read(name) is None]:
            raise ValidationError({wrong[0][:64]: ["Must be the id of a command."]})
        return {ids.read(name): secrets for name, secrets in value.items()}


class ExplanationSerializer(serializers.Serializer[Explanation]):
    """Why a device stands where it stands."""

    status = one_of(*STATUSES)
    why = serializers.CharField()
    commandId = serializers.UUIDField(source="command_id", allow_null=True)
    since = Moment(allow_null=True)
    next = serializers.CharField(help_text="What to do.")
