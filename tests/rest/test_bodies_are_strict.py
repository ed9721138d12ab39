"""Whatever comes as a body, one strict JSON object is read or a reason is given; nothing ever breaks."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rest.cast import DEVICES, Cast

DEEP = b'{"request": ' + b"[" * 16 + b"]" * 16 + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"nonsense", "not JSON"),
        (b"{'name': 'x'}", "not JSON"),
        (b'{"name": "x",}', "not JSON"),
        (b'{"name": "x"} {}', "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'[{"name": "x"}]', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"name"', "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b" ", "not JSON"),
        (b'{"name": "\xff"}', "not UTF-8"),
        ('{"name": "ø"}'.encode("utf-16"), "not UTF-8"),
        (b'\xef\xbb\xbf{"name": "x"}', "byte order mark"),
        (b'{"name": "x", "name": "y"}', "'name' stands twice"),
        (b'{"tags": [{"a": 1, "a": 1}]}', "'a' stands twice"),
        (b'{"name": NaN}', "NaN is not JSON"),
        (b'{"name": -Infinity}', "-Infinity is not JSON"),
        (b'{"name": 1e999}', "64 bits"),
        (b'{"name": 9223372036854775808}', "64 bits"),
        (b'{"name": ' + b"9" * 5000 + b"}", "64 bits"),
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'{"name": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"name": "a\x00b"}', "not JSON"),
        (DEEP, "nested deeper than 16"),
        (b'{"request": ' + b"[" * 100_000, "nested deeper than 16"),
        (b"[" * 500_000 + b"]" * 500_000, "nested deeper than 16"),
    ],
    ids=range(29),
)
def test_what_is_no_strict_json_is_told_why(cast: Cast, body: bytes, words: str) -> None:
    answer = cast.editor.post(DEVICES, body)
    assert (answer.status, answer.body["code"]) == (400, "INVALID")
    assert words in answer.message


def test_the_deepest_body_that_may_be_is_read(cast: Cast) -> None:
    body = json.loads(DEEP.replace(b"[" * 16 + b"]" * 16, b"[" * 15 + b"]" * 15))
    assert cast.editor.post(DEVICES, body).fields == ["request"]


def test_a_pair_of_surrogates_is_a_letter(cast: Cast) -> None:
    assert cast.editor.post(DEVICES, b'{"name": "\\ud83c\\udf0a"}').body["name"] == "\U0001f30a"


def test_a_body_of_more_than_a_mebibyte_is_too_large(cast: Cast) -> None:
    answer = cast.editor.post(DEVICES, b'{"name": "' + b"x" * 1024 * 1024 + b'"}')
    assert (answer.status, answer.body["code"]) == (413, "TOO_LARGE")
    assert "1 MiB" in answer.message


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/html", "multipart/form-data", "x", "text/json", "a" * 999],
)
def test_another_kind_of_body_is_told_which_is_read(cast: Cast, kind: str) -> None:
    answer = cast.editor.call("POST", DEVICES, b'{"name": "x"}', Content_Type=kind)
    assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert "application/json" in answer.message


@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON"]
)
def test_json_is_read_also_where_it_is_not_called_so(cast: Cast, kind: str) -> None:
    answer = cast.editor.call("POST", DEVICES, b'{"name": "x"}', Content_Type=kind)
    assert (answer.status, answer.body["name"]) == (201, "x")


def test_a_body_in_unmeasured_pieces_is_refused_not_ignored(cast: Cast) -> None:
    answer = cast.editor.call("POST", DEVICES, None, Transfer_Encoding="chunked")
    assert answer.status == 400
    assert "Content-Length" in answer.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("name", "serialNumber", "tags", "publicKey", "templateId", "commands", "request", "secrets", "kind")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3) | JSON | st.binary(max_size=40))
def test_no_body_whatever_breaks_anything(cast: Cast, body: object) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    device = f"{DEVICES}/{cast.editor.device()}"
    for path in (
        DEVICES,
        f"{device}/credentials",
        f"{device}/provisioning",
        f"{device}/provisioning/batch",
        f"{device}/provisioning/reset",
        f"{device}/block",
    ):
        answer = cast.editor.post(path, data)
        assert answer.status < 500, (path, data)
        if answer.status >= 400:
            assert answer.message
