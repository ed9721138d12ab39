"""REST for claims in bulk, for what became of them, and for onboarding by certificate. Source: docs/nrf-cloud.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import bulk, claim_serializers, claiming, claims_csv, onboarding
from devices.claim_serializers import BulkAccepted, BulkRequestSerializer
from devices.claiming import Failed, Outcome
from devices.claims_csv import Row
from tenants import answers, idempotency
from tenants.auth import Caller, caller
from tenants.errors import Refusal
from tenants.idempotency import Body, Made
from tenants.parsers import CSVParser, PlainParser, csv_of
from tenants.roles import Role
from tenants.views import Endpoint

CSV = {"text/csv": OpenApiTypes.STR}
PLAIN = {"text/plain": OpenApiTypes.STR}

_T = TypeVar("_T")
_Ended = tuple[bulk.Status, Mapping[str, Any]]


class NothingClaimed(Refusal):
    """No row of a bulk claim was claimed."""

    def __init__(self, found: Outcome) -> None:
        first, *others = found.failed
        more = f" `failed` has the reasons of {len(others):,} more." if others else ""
        super().__init__("CONFLICT", f"No row was claimed. Row {first.row}: {first.refusal.message}{more}")
        self.found = found


def rehearse(act: Callable[[], _T]) -> _T:
    """What `act` would do: it is done and undone."""
    with transaction.atomic():
        found = act()
        transaction.set_rollback(True)
    return found


def claim_rows(request: Request, text: str, dry: bool) -> Response:
    """Answers a bulk claim: 201, or 202 of a dry run, if a row was claimed; else 409 with every row's reason."""
    asker, began = caller(request), timezone.now()

    def act(rows: Sequence[Row]) -> Made:
        body = claim_serializers.outcome(_claimed(asker, rows))
        if idempotency.HEADER not in request.headers:
            return Made([], body)
        kept = bulk.keep(
            asker.tenant_id, bulk.Endpoint.CLAIM_DEVICES, bulk.Status.SUCCEEDED, body, requested_at=began
        )
        return Made([kept.id], body)

    def again(ids: Sequence[UUID]) -> Body | None:
        kept = bulk.read(asker.tenant_id, ids[0])
        return kept.result if kept else None

    try:
        if dry:
            return _possible(rehearse(lambda: _claimed(asker, _rows(text))))
        return idempotency.create(request, lambda: _rows(text), act, again)
    except NothingClaimed as nothing:
        return Response(
            {**answers.body(nothing), **claim_serializers.outcome(nothing.found)}, status=nothing.http
        )


def _possible(found: Outcome) -> Response:
    rows = claim_serializers.outcome(found)
    count = len(found.claimed)
    message = f"{count:,} device{'s' * (count > 1)} can be claimed."
    return Response(
        {"message": message, "claimableIds": rows["claimedIds"], "failed": rows["failed"]}, status=202
    )


def _rows(text: str) -> list[Row]:
    return claims_csv.read(text, "claimToken")


def _claimed(asker: Caller, rows: Sequence[Row]) -> Outcome:
    """Claims what can be claimed. Raises `NothingClaimed`."""
    wanted, unread = _sorted(rows, claim_serializers.wanted)
    found = claiming.claim_all(asker.tenant_id, wanted, asker.by)
    found = replace(found, failed=sorted([*unread, *found.failed], key=lambda one: one.row))
    if not found.claimed:
        raise NothingClaimed(found)
    return found


def _sorted(rows: Iterable[Row], read: Callable[[Row], _T]) -> tuple[list[_T], list[Failed]]:
    """The rows that could be read, and why the others could not."""
    good: list[_T] = []
    bad: list[Failed] = []
    for row in rows:
        try:
            good.append(read(row))
        except Refusal as refusal:
            bad.append(Failed(row.number, refusal))
    return good, bad


class _Bulk(Endpoint):
    """A CSV body whose result is asked for by its id, though it is there at once."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"POST": Role.EDITOR}
    creates: ClassVar = ("POST",)
    parser_classes = (CSVParser, PlainParser)

    def accept(
        self, request: Request, endpoint: bulk.Endpoint, header: str, act: Callable[[Sequence[Row]], _Ended]
    ) -> Response:
        """202 with the id of the result of `act`. Raises `Refusal` where the body is no CSV."""
        tenant_id, began = caller(request).tenant_id, timezone.now()

        def done(rows: Sequence[Row]) -> Made:
            status, result = act(rows)
            kept = bulk.keep(tenant_id, endpoint, status, result, requested_at=began)
            return Made([kept.id], {"bulkOpsRequestId": str(kept.id)})

        def again(ids: Sequence[UUID]) -> Body | None:
            return {"bulkOpsRequestId": str(ids[0])} if bulk.read(tenant_id, ids[0]) else None

        return idempotency.create(
            request, lambda: claims_csv.read(csv_of(request) or "", header), done, again, status=202
        )


class BulkClaims(_Bulk):
    """Claims whose result is asked for later."""

    @extend_schema(
        operation_id="bulkClaimDevices",
        request={**CSV, **PLAIN},
        responses={202: BulkAccepted},
    )
    def post(self, request: Request) -> Response:
        """Claims by CSV rows `"<token>"[,"tag1,tag2"]`, at most 1,000: done at once, and to be asked for by its id."""
        asker = caller(request)

        def act(rows: Sequence[Row]) -> _Ended:
            try:
                found, status = _claimed(asker, rows), bulk.Status.SUCCEEDED
            except NothingClaimed as nothing:
                found, status = nothing.found, bulk.Status.FAILED
            return status, claim_serializers.outcome(found)

        return self.accept(request, bulk.Endpoint.CLAIM_DEVICES, "claimToken", act)


class Onboarding(_Bulk):
    """Certificates of devices, as nRF Cloud's onboarding takes them."""

    @extend_schema(
        operation_id="onboardDevices",
        request={**CSV, **PLAIN},
        responses={202: BulkAccepted},
    )
    def post(self, request: Request) -> Response:
        """Gives devices their certificate's public key: rows `devId,subType,tags,fwTypes,"certPEM"`, at most 1,000.

        `devId` is the id, serial number, IMEI or name of a device of yours; tags are parted by `|` and added; an
        empty name becomes `devId`. The other columns are not used. The old key stays for 24 hours.
        """
        asker = caller(request)

        def act(rows: Sequence[Row]) -> _Ended:
            wanted, bad = _sorted(rows, claim_serializers.onboarding)
            failed = onboarding.onboard(asker.tenant_id, wanted, asker.by)
            bad = sorted([*bad, *failed], key=lambda one: one.row)
            if not bad:
                return bulk.Status.SUCCEEDED, {}
            errors = [f"[{one.row - 1}]: {one.refusal.message}" for one in bad]
            return bulk.Status.FAILED, {"errors": errors}

        return self.accept(request, bulk.Endpoint.PROVISION_DEVICES, "devId", act)


class OneBulkRequest(Endpoint):
    """What became of a bulk request."""

    topic: ClassVar = "Devices"
    roles: ClassVar = {"GET": Role.VIEWER}

    @extend_schema(operation_id="getBulkRequest", responses=BulkRequestSerializer)
    def get(self, request: Request, bulk_id: UUID) -> Response:
        """What became of a bulk request, for 30 days."""
        return Response(BulkRequestSerializer(bulk.find(caller(request).tenant_id, bulk_id)).data)
