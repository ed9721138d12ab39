"""Every refusal below /v1/ is JSON in one shape, whoever refuses."""

import pytest
from django.test import override_settings

from tenants.errors import CODES
from tests.rest.cast import DEVICES, Answer, Cast, call, unknown

BROKEN = override_settings(ROOT_URLCONF="tests.rest.broken")


def assert_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["code"]) == (status, code)
    assert set(answer.body) <= {"code", "title", "message", "errors"}
    assert answer.body["title"] == CODES[code].title
    assert answer.message.endswith(".")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/claimed-devices/",
        f"/v1/claimed-devices/{unknown()}/x",
        "/v1/a\n/%00",
    ],
)
@pytest.mark.django_db
def test_an_address_that_is_none_is_json_for_everybody(method: str, path: str) -> None:
    answer = call(method, path)
    assert_refused(answer, 404, "NOT_FOUND")
    assert "/v1/docs" in answer.message


def test_each_kind_of_refusal_has_the_shape(cast: Cast, device: str) -> None:
    editor = cast.editor
    assert_refused(editor.post(DEVICES, {"x": 1}), 400, "INVALID")
    assert_refused(editor.post(DEVICES, b"{"), 400, "INVALID")
    assert_refused(call("GET", DEVICES), 401, "UNAUTHENTICATED")
    assert_refused(editor.get("/v1/api-keys"), 403, "FORBIDDEN")
    assert_refused(editor.get(f"{DEVICES}/{unknown()}"), 404, "NOT_FOUND")
    assert_refused(editor.call("PUT", DEVICES), 405, "METHOD_NOT_ALLOWED")
    assert_refused(editor.get(DEVICES, Accept="text/html"), 406, "NOT_ACCEPTABLE")
    assert_refused(editor.post(DEVICES, {"serialNumber": "SN-17"}), 409, "SERIAL_NUMBER_TAKEN")
    assert_refused(editor.post(DEVICES, b" " * 2_000_000), 413, "TOO_LARGE")
    assert_refused(editor.post(DEVICES, b"a,b", Content_Type="text/html"), 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.1", ""])
def test_who_takes_json_gets_json(cast: Cast, accept: str) -> None:
    assert cast.viewer.get(DEVICES, Accept=accept).status == (200 if accept else 406)


@BROKEN
def test_what_breaks_inside_is_told_without_details(cast: Cast) -> None:
    answer = cast.viewer.get("/v1/broken")
    assert_refused(answer, 500, "INTERNAL")
    assert "sesame" not in str(answer.body)
    assert "Zero" not in str(answer.body)


@BROKEN
def test_too_many_requests_say_how_long_to_wait(cast: Cast) -> None:
    answer = cast.viewer.get("/v1/busy")
    assert_refused(answer, 429, "THROTTLED")
    assert answer.headers["Retry-After"] == "7"


@BROKEN
def test_a_method_without_a_declared_role_is_shut(cast: Cast) -> None:
    assert_refused(cast.owner.get("/v1/undeclared"), 403, "FORBIDDEN")


def test_an_unknown_host_is_refused_in_json(cast: Cast) -> None:
    answer = cast.viewer.get(DEVICES, Host="elsewhere.example")
    assert answer.status == 400
    assert (answer.body["code"], "Host" in answer.message) == ("INVALID", True)


def test_no_answer_may_be_kept(cast: Cast) -> None:
    assert cast.viewer.get(DEVICES).headers["Cache-Control"] == "no-store"
