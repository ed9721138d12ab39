"""The shapes of claims, alone and in bulk. Source: API.md "Devices", docs/nrf-cloud.md."""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from devices import bulk
from devices.claiming import Failed, Outcome, Wanted
from devices.claims_csv import Row
from devices.models import BulkRequest
from devices.onboarding import Wanted as WantedOnboarding
from devices.serializers import Tags
from pki.attestation import MAX_TOKEN
from tenants.errors import Refusal, invalid
from tenants.serializers import Lines, Moment, Problem, Strict

ENDPOINTS = [endpoint.value for endpoint in bulk.Endpoint]
BULK_STATUSES = [status.value for status in bulk.Status]


class ClaimQuery(Strict):
    """Whether it is meant."""

    dryrun = serializers.ChoiceField(
        choices=("true", "false"),
        required=False,
        default="false",
        help_text="`true`: says whether it would work, by 202 or a refusal, and changes nothing.",
        error_messages={"invalid_choice": "Must be true or false."},
    )


class NewClaim(Strict):
    """A device to be claimed."""

    claimToken = Lines(
        max_length=MAX_TOKEN,
        help_text="The device's identity attestation token, as AT%ATTESTTOKEN answers it.",
    )
    tags = Tags(required=False)


class Possible(serializers.Serializer[Any]):
    """What a dry run answers where the real thing would have worked; `claimableIds` where it was CSV."""

    message = serializers.CharField()
    claimableIds = serializers.ListField(child=serializers.UUIDField(), required=False)
    failed = serializers.ListField(child=serializers.DictField(), required=False)


class FailedRow(serializers.Serializer[Any]):
    """A row that was not taken."""

    row = serializers.IntegerField(help_text="Its place in the file, from 1; header and empty rows count.")
    code = serializers.CharField(help_text="As a refusal has it.")
    message = serializers.CharField()


class BulkClaimed(serializers.Serializer[Any]):
    """What became of the rows of a bulk claim."""

    claimedIds = serializers.ListField(child=serializers.UUIDField())
    failed = FailedRow(many=True)


class NothingClaimed(Problem):
    """A refusal; of a CSV body also row by row."""

    claimedIds = serializers.ListField(child=serializers.UUIDField(), required=False)
    failed = FailedRow(many=True, required=False)


class BulkAccepted(serializers.Serializer[Any]):
    """Where to ask for what became of it."""

    bulkOpsRequestId = serializers.UUIDField()


class BulkRequestSerializer(serializers.Serializer[BulkRequest]):
    """A bulk request. `claimedIds` and `failed` are a bulk claim's, `errors` an onboarding's that had any."""

    bulkOpsRequestId = serializers.UUIDField(source="id")
    status = serializers.ChoiceField(choices=BULK_STATUSES)
    endpoint = serializers.ChoiceField(choices=ENDPOINTS)
    requestedAt = Moment(source="requested_at")
    completedAt = Moment(source="completed_at")
    claimedIds = serializers.ListField(source="-", child=serializers.UUIDField(), required=False)
    failed = FailedRow(source="-", many=True, required=False)
    errors = serializers.ListField(  # type: ignore[assignment]  # see `Problem.errors`
        source="-", child=serializers.CharField(), required=False, help_text='"[row from 0]: why", for each.'
    )

    def to_representation(self, instance: BulkRequest) -> dict[str, Any]:
        own = ("bulkOpsRequestId", "status", "endpoint", "requestedAt", "completedAt")
        fields = {name: self.fields[name] for name in own}
        shown = {n: field.to_representation(field.get_attribute(instance)) for n, field in fields.items()}
        return {**shown, **instance.result}


def outcome(found: Outcome) -> dict[str, Any]:
    """What became of the rows, as it is sent and kept."""
    return {"claimedIds": [str(id) for id in found.claimed], "failed": failed_rows(found.failed)}


def failed_rows(failed: Sequence[Failed]) -> list[dict[str, Any]]:
    """The rows that failed, as they are sent."""
    return [{"row": one.row, "code": one.refusal.code, "message": one.refusal.message} for one in failed]


def wanted(row: Row) -> Wanted:
    """The claim in a row `"<token>"[,"tag1,tag2"]`. Raises `Refusal`."""
    _check_read(row)
    if len(row.cells) > 2:
        raise Refusal("INVALID", 'Put all tags of a row between quotation marks: "<token>","tag1,tag2".')
    return Wanted(row.number, row.cells[0], _tags(row.cells[1] if len(row.cells) > 1 else "", ","))


def onboarding(row: Row) -> WantedOnboarding:
    """The device and its certificate in a row `devId,subType,tags,fwTypes,"certPEM"`. Raises `Refusal`."""
    _check_read(row)
    if len(row.cells) != 5:
        raise Refusal("INVALID", 'Send five columns a row: device id, sub type, tags, firmware types, "PEM".')
    device, _, tags, _, certificate = row.cells
    return WantedOnboarding(row.number, device, _tags(tags, "|"), certificate)


def _check_read(row: Row) -> None:
    if row.wrong:
        raise Refusal("INVALID", row.wrong)


def _tags(cell: str, parted: str) -> list[str]:
    """The tags of one cell. Raises `Refusal`."""
    if not cell:
        return []
    try:
        return list(Tags().run_validation(cell.split(parted)))
    except ValidationError as wrong:
        raise invalid("tags", str(next(iter(wrong.detail)))) from None
