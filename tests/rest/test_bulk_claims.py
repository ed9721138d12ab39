"""Up to a thousand devices are claimed by one CSV body, however a client says that it is one."""

import csv
import time
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import BulkRequest, Credential, Device, IdentityKey, Tag, TimelineEntry
from tenants.models import Tenant
from tests.pki import make
from tests.rest.cast import DEVICES, Answer, Cast, unknown
from tests.rest.modems import Modem, known, modem, rows

BULK = f"{DEVICES}/bulk"
ONBOARD = "/v1/devices"


def ids(*modems: Modem) -> list[str]:
    return [one.id for one in modems]


def codes(answer: Answer) -> list[tuple[int, str]]:
    return [(one["row"], one["code"]) for one in answer.body["failed"]]


# ---- how a client says that it is CSV


def test_a_content_type_says_csv(cast: Cast) -> None:
    first, second = known(), known()
    made = cast.editor.call(
        "POST", DEVICES, rows(first, second, tags="a,b").encode(), Content_Type="text/csv; charset=utf-8"
    )
    assert (made.status, made.body) == (201, {"claimedIds": ids(first, second), "failed": []})
    for one in (first, second):
        shown = cast.viewer.get(f"{DEVICES}/{one.id}").body
        assert (shown["ownershipStatus"], shown["tags"]) == ("IDENTIFIED", ["a", "b"])
    entries = [data["proof"] for data in TimelineEntry.objects.values_list("data", flat=True)]
    assert entries == ["verified", "verified"]


@pytest.mark.parametrize("name", ["contentType", "CONTENTTYPE", "contenttype"])
def test_a_header_that_is_called_content_type_in_one_word_says_csv(cast: Cast, name: str) -> None:
    one = known()
    made = cast.editor.call(
        "POST", DEVICES, rows(one).encode(), **{"Content-Type": "", name: "text/csv", "Accept": "*/*"}
    )
    assert (made.status, made.body["claimedIds"]) == (201, ids(one))


@pytest.mark.parametrize("begin", ["", "\n \n", "\ufeff", "claimToken,tags\r\n"])
def test_no_header_at_all_and_no_brace_is_csv(cast: Cast, begin: str) -> None:
    one = known()
    made = cast.editor.call("POST", DEVICES, (begin + rows(one)).encode(), Content_Type="")
    assert (made.status, made.body["claimedIds"]) == (201, ids(one))


@pytest.mark.parametrize("begin", ["", " \r\n\t"])
def test_no_header_at_all_and_a_brace_is_json(cast: Cast, begin: str) -> None:
    one = known()
    body = f'{begin}{{"claimToken": "{one.token}"}}'
    assert cast.editor.call("POST", DEVICES, body.encode(), Content_Type="").body["id"] == one.id


def test_another_content_type_is_told_which_are_read(cast: Cast) -> None:
    answer = cast.editor.call("POST", DEVICES, rows(known()).encode(), Content_Type="text/html")
    assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert "application/json or text/csv" in answer.message


def test_other_addresses_take_no_csv(cast: Cast, device: str) -> None:
    answer = cast.editor.post(f"{DEVICES}/{device}/credentials", "a,b\n")
    assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    quirk = cast.editor.call("POST", f"{DEVICES}/{device}/block", b"{}", contentType="text/csv")
    assert quirk.status == 200


@pytest.mark.parametrize(
    "headers", [{"Content_Type": "text/csv"}, {"Content_Type": "", "contentType": "text/csv"}]
)
@pytest.mark.parametrize("body", [b"", b"\n", b"claimToken,tags\n"])
def test_csv_without_a_row_defines_no_device(cast: Cast, body: bytes, headers: dict[str, str]) -> None:
    if not body:
        # The client leaves the type of an empty body away.
        headers = {"contentType": "text/csv"}
    answer = cast.editor.call("POST", DEVICES, body, **headers)
    assert (answer.status, answer.body["code"]) == (400, "INVALID")
    assert "has no rows" in answer.message
    assert not Device.objects.exists()


# ---- good rows and bad ones


def test_good_rows_go_through_whatever_the_bad_ones_are(cast: Cast) -> None:
    good, mine, theirs, forged, nobodys, last = (known() for _ in range(6))
    IdentityKey.objects.filter(device_id=nobodys.uuid).delete()
    cast.editor.post(DEVICES, {"claimToken": mine.token})
    cast.stranger.post(DEVICES, {"claimToken": theirs.token})
    body = (
        f"claimToken,tags\n{rows(good)}nonsense\n{rows(mine, theirs)}{forged.signed_by(make.p256())}\n"
        f'\n{rows(nobodys, good)}"{known().token}","{"x" * 101}"\n{known().token},a,b\n"a"b\n{rows(last)}'
    )
    answer = cast.editor.post(DEVICES, body)
    assert (answer.status, answer.body["claimedIds"]) == (201, ids(good, last))
    assert codes(answer) == [
        (3, "INVALID"),
        (4, "CLAIMED_ALREADY"),
        (5, "CLAIMED_BY_ANOTHER"),
        (6, "INVALID"),
        (8, "CLAIM_NOT_PROVABLE"),
        (9, "CLAIMED_ALREADY"),
        (10, "INVALID"),
        (11, "INVALID"),
        (12, "INVALID"),
    ]
    said = {one["row"]: one["message"] for one in answer.body["failed"]}
    assert "not the CBOR" in said[3]
    assert "does not verify" in said[6]
    assert "Row 2 of this file" in said[9]
    assert said[10].startswith("tags:")
    assert "quotation marks" in said[11]
    assert "not CSV" in said[12]
    assert Device.objects.filter(tenant=cast.editor.tenant).count() == 3


def test_a_forged_row_does_not_stand_in_the_way_of_the_good_one_behind_it(cast: Cast) -> None:
    one = known()
    answer = cast.editor.post(DEVICES, f"{one.signed_by(make.p256())}\n{one.token}\n")
    assert (answer.status, answer.body["claimedIds"], codes(answer)) == (201, ids(one), [(1, "INVALID")])


def test_where_nothing_was_claimed_it_is_a_refusal_with_every_reason(cast: Cast) -> None:
    one = known()
    cast.stranger.post(DEVICES, {"claimToken": one.token})
    answer = cast.editor.post(DEVICES, f"nonsense\n{rows(one)}")
    assert answer.status == 409
    assert set(answer.body) == {"code", "title", "message", "claimedIds", "failed"}
    assert (answer.body["code"], answer.body["claimedIds"]) == ("CONFLICT", [])
    assert answer.message.startswith("No row was claimed. Row 1: claimToken:")
    assert codes(answer) == [(1, "INVALID"), (2, "CLAIMED_BY_ANOTHER")]


def test_unproven_claims_of_others_give_way_in_bulk(cast: Cast) -> None:
    Tenant.objects.filter(id=cast.owner.tenant.id).update(sandbox=True)
    taken, free = modem(), known()
    with override_settings(KEYSEED_CLAIM_PROOF="off"):
        assert cast.owner.post(DEVICES, rows(taken, tags="theirs")).status == 201
    IdentityKey.objects.create(device_id=taken.uuid, public_key=taken.pem)
    answer = cast.stranger.post(DEVICES, rows(taken, free))
    assert answer.body == {"claimedIds": ids(taken, free), "failed": []}
    assert not Tag.objects.exists()
    assert cast.owner.get(f"{DEVICES}/{taken.id}").status == 404


def test_a_dry_run_says_what_could_be_claimed(cast: Cast) -> None:
    first, second = known(), known()
    answer = cast.editor.post(f"{DEVICES}?dryrun=true", f"{rows(first)}nonsense\n{rows(second)}")
    assert answer.status == 202
    assert answer.body["claimableIds"] == ids(first, second)
    assert answer.message == "2 devices can be claimed."
    assert codes(answer) == [(2, "INVALID")]
    assert not Device.objects.exists()
    nothing = cast.editor.post(f"{DEVICES}?dryrun=true", "nonsense\n")
    assert (nothing.status, codes(nothing)) == (409, [(1, "INVALID")])


def test_more_than_a_thousand_rows_are_too_many(cast: Cast) -> None:
    one = known()
    answer = cast.editor.post(DEVICES, rows(one) + "x\n" * 1000)
    assert (answer.status, answer.body["code"]) == (413, "TOO_LARGE")
    assert "1,000 rows" in answer.message
    assert not Device.objects.exists()


def test_more_than_a_mebibyte_is_too_large(cast: Cast) -> None:
    for headers in ({"Content_Type": "text/csv"}, {"Content_Type": ""}):
        answer = cast.editor.call("POST", DEVICES, b"x" * (1024 * 1024 + 1), **headers)
        assert (answer.status, answer.body["code"]) == (413, "TOO_LARGE")


def test_what_is_not_utf_8_is_told(cast: Cast) -> None:
    for body, words in ((b"\xff\xfe", "not UTF-8"), (b"a\0b\n", "NUL")):
        answer = cast.editor.call("POST", DEVICES, body, Content_Type="text/csv")
        assert (answer.status, answer.body["code"]) == (400, "INVALID")
        assert words in answer.message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(alphabet='",\n\r a.\ufeff{', max_size=40).map(str.encode))
def test_no_body_whatever_breaks_anything(cast: Cast, body: bytes) -> None:
    for path in (DEVICES, BULK, ONBOARD):
        for kind in ("text/csv", ""):
            answer = cast.editor.call("POST", path, body, Content_Type=kind)
            assert answer.status < 500, (path, body)
            assert answer.status in (201, 202) or answer.message


def test_a_thousand_devices_are_claimed_soon_and_in_few_statements(cast: Cast) -> None:
    modems = [Modem() for _ in range(1000)]
    IdentityKey.objects.bulk_create(IdentityKey(device_id=one.uuid, public_key=one.pem) for one in modems)
    body = rows(*modems, tags="a,b")
    began = time.monotonic()
    with CaptureQueriesContext(connection) as asked:
        answer = cast.editor.post(DEVICES, body)
    took = time.monotonic() - began
    assert (answer.status, answer.body["claimedIds"]) == (201, ids(*modems))
    assert Tag.objects.count() == 2000
    limit = 30 if connection.vendor == "postgresql" else 3000
    assert len(asked) < limit
    assert took < 3  # half a second where nothing else runs


# ---- again, and asked for later


def test_with_an_idempotency_key_the_rows_are_claimed_once(cast: Cast) -> None:
    body = f"{rows(known())}nonsense\n"
    first = cast.editor.post(DEVICES, body, Idempotency_Key="k")
    again = cast.editor.post(DEVICES, body, Idempotency_Key="k")
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    other = cast.editor.post(DEVICES, body + "x\n", Idempotency_Key="k")
    assert (other.status, other.body["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert Device.objects.count() == 1


def test_what_claimed_nothing_may_be_sent_again(cast: Cast) -> None:
    one = modem()
    assert cast.editor.post(DEVICES, rows(one), Idempotency_Key="k").status == 409
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    assert cast.editor.post(DEVICES, rows(one), Idempotency_Key="k").status == 201


def test_a_bulk_request_is_asked_for_by_its_id(cast: Cast) -> None:
    one = known()
    made = cast.editor.post(BULK, f"{rows(one)}nonsense\n")
    assert (made.status, set(made.body)) == (202, {"bulkOpsRequestId"})
    found = cast.viewer.get(f"/v1/bulk-ops-requests/{made.body['bulkOpsRequestId']}")
    assert found.status == 200
    assert found.body["bulkOpsRequestId"] == made.body["bulkOpsRequestId"]
    assert (found.body["status"], found.body["endpoint"]) == ("SUCCEEDED", "CLAIM_DEVICES")
    assert found.body["requestedAt"] <= found.body["completedAt"]
    assert (found.body["claimedIds"], codes(found)) == (ids(one), [(2, "INVALID")])


def test_a_bulk_request_that_claimed_nothing_failed(cast: Cast) -> None:
    made = cast.editor.post(BULK, "nonsense\n").body["bulkOpsRequestId"]
    found = cast.viewer.get(f"/v1/bulk-ops-requests/{made}").body
    assert (found["status"], found["claimedIds"], len(found["failed"])) == ("FAILED", [], 1)


def test_a_bulk_request_is_its_tenants_own(cast: Cast) -> None:
    made = cast.editor.post(BULK, rows(known())).body["bulkOpsRequestId"]
    foreign = cast.stranger.get(f"/v1/bulk-ops-requests/{made}")
    never = cast.stranger.get(f"/v1/bulk-ops-requests/{unknown()}")
    assert (foreign.status, foreign.body) == (never.status, never.body) == (404, never.body)
    assert "30 days" in never.message


def test_a_bulk_request_takes_no_json(cast: Cast) -> None:
    for path in (BULK, ONBOARD):
        answer = cast.editor.post(path, {"claimToken": known().token})
        assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert "text/csv or text/plain" in answer.message
        assert cast.editor.post(path).status in (400, 415)
    assert not BulkRequest.objects.exists()


# ---- onboarding by certificate


def onboarding(device: str, pem: str, tags: str = "", kind: str = "") -> str:
    """A row as nRF Cloud's client writes it."""
    return f'{device},{kind},{tags},,"{pem}"\n'


def result(cast: Cast, answer: Answer) -> dict[str, Any]:
    assert answer.status == 202, answer.body
    return dict(cast.viewer.get(f"/v1/bulk-ops-requests/{answer.body['bulkOpsRequestId']}").body)


@pytest.mark.parametrize("kind", ["text/plain", "text/csv"])
def test_a_device_is_onboarded_by_its_certificate(cast: Cast, device: str, kind: str) -> None:
    key = make.p256()
    leaf = make.issue("pump 17", key=key)
    row = onboarding(device, leaf.pem, "a|b", "gateway").encode()
    found = result(cast, cast.editor.call("POST", ONBOARD, row, Content_Type=kind))
    assert (found["status"], found["endpoint"]) == ("SUCCEEDED", "PROVISION_DEVICES")
    assert all(isinstance(value, str) for value in found.values())
    assert Credential.objects.get(device_id=device).public_key == make.public_pem(key)
    shown = cast.viewer.get(f"{DEVICES}/{device}").body
    assert (shown["tags"], shown["name"]) == (["north", "pumps", "a", "b"], "pump 17")


def test_a_device_is_found_by_serial_number_imei_or_name(cast: Cast) -> None:
    serial, imei, name = (cast.editor.device(serialNumber="SN-1"), cast.editor.device(), cast.editor.device())
    Device.objects.filter(id=imei).update(imei="352656106118683")
    cast.editor.patch(f"{DEVICES}/{name}", {"name": "pump"})
    pem = make.issue("x").pem
    body = "".join(onboarding(text, pem) for text in ("SN-1", "352656106118683", "pump"))
    assert result(cast, cast.editor.post(ONBOARD, body))["status"] == "SUCCEEDED"
    names = [cast.viewer.get(f"{DEVICES}/{one}").body["name"] for one in (serial, imei, name)]
    assert names == ["SN-1", "352656106118683", "pump"]
    assert Credential.objects.count() == 3


def test_the_old_key_stays_for_a_day(cast: Cast, device: str) -> None:
    for _ in range(2):
        cast.editor.post(ONBOARD, onboarding(device, make.issue("x").pem))
    listed = cast.viewer.get(f"{DEVICES}/{device}/credentials").body["items"]
    assert [one["expiresAt"] is None for one in listed] == [True, False]


def test_rows_that_cannot_be_onboarded_are_told_by_their_index(cast: Cast, device: str) -> None:
    cast.editor.device(name="twin"), cast.editor.device(name="twin")
    theirs = cast.stranger.device()
    pem = make.issue("x").pem
    body = (
        onboarding(device, pem)
        + onboarding("nobody", pem)
        + onboarding(theirs, pem)
        + onboarding("twin", pem)
        + onboarding(device, "no certificate")
        + onboarding(device, pem, "|".join(str(n) for n in range(50)))
        + f"{device},x\n"
        + onboarding("", pem)
    )
    found = result(cast, cast.editor.post(ONBOARD, body))
    assert found["status"] == "FAILED"
    assert [error.partition(":")[0] for error in found["errors"]] == [f"[{n}]" for n in range(1, 8)]
    for error, words in zip(
        found["errors"],
        ["no device", "no device", "Several", "PEM block", "at most 50 tags", "five columns", "no device"],
        strict=True,
    ):
        assert words in error
    assert Credential.objects.count() == 1


def test_the_row_of_nordics_own_client_is_taken(
    cast: Cast, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    onboard = pytest.importorskip("nrfcloud_utils.nrf_cloud_onboard")
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(onboard.requests, "post", lambda url, **options: sent.append((url, options)))
    onboard.onboard_device(cast.editor.key, device, "", "a|b", "APP|MODEM", make.issue("x").pem)
    ((url, options),) = sent
    assert url.endswith("/v1/devices")
    headers = {name.title(): value for name, value in options["headers"].items()}
    answer = cast.editor.call("POST", ONBOARD, options["data"].encode(), **headers)
    assert result(cast, answer)["status"] == "SUCCEEDED"


def test_the_rows_of_nordics_own_bulk_client_are_taken(cast: Cast) -> None:
    out, one = StringIO(), known()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [[one.token, "nrf-cloud-onboarding,b"]]
    )
    made = cast.editor.call("POST", DEVICES, out.getvalue().encode(), Content_Type="", contentType="text/csv")
    assert made.body == {"claimedIds": ids(one), "failed": []}
    assert cast.viewer.get(f"{DEVICES}/{one.id}").body["tags"] == ["nrf-cloud-onboarding", "b"]
