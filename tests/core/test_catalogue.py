"""Every field of every command type: what is taken, what is refused and why; and no secret is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commands import catalogue, checks
from commands.catalogue import MASK, TYPES
from commands.machine import Kind
from tenants.errors import Refusal
from tests.core import keys
from tests.core.keys import DAY
from tests.core.lists import NOW

SESAME = "open sesame"
AUTHORITY = keys.certificate(1, authority=True)
DEVICE = keys.certificate(2)
KEY = keys.encrypted(3, SESAME)
LONG = 16 * 1024 + 1

VALID: Mapping[str, dict[str, Any]] = {
    "clientPrivateKeyGeneration": {"secTag": 16842753},
    "cloudAccessKeyGeneration": {"secTag": 16842753},
    "certificateSigningRequest": {
        "secTag": 16842753,
        "attributes": "CN=pump-17,O=Example,C=NO",
        "keyUsage": "101000000",
    },
    "serverCertificate": {"secTag": 16842753, "content": AUTHORITY},
    "clientCertificate": {"secTag": 16842753, "content": DEVICE},
    "clientPrivateKey": {"secTag": 16842753, "content": KEY, "password": SESAME},
    "preSharedKey": {"secTag": 16842753, "identity": "pump-17", "secret": "00112233445566778899AABBccddeeff"},
    "config": {"server": "mqtt.example", "interval": "600"},
    "finished": {},
}

NOT_TEXT: tuple[Any, ...] = (None, 5, 1.5, True, ["a"], {"a": "b"})
NOT_A_MAP: tuple[Any, ...] = (None, [], "a", 5)
TAKEN: Mapping[tuple[str, str], tuple[Any, ...]] = {
    ("*", "secTag"): (0, 1, 2147483647),
    ("certificateSigningRequest", "attributes"): (
        "",
        "CN=a",
        "CN=a, O=b , C=NO",
        r"CN=comma\, inside,O=b",
        "CN=a=b",
        "OU=æøå",
        "CN=" + "x" * 253,
        ",".join(f"{name}=x" for name in sorted(checks.RDN_NAMES)),
    ),
    ("certificateSigningRequest", "keyUsage"): ("101000000", "000000000", "111111111"),
    ("serverCertificate", "content"): (AUTHORITY, AUTHORITY * 2, keys.certificate(4, authority=True)),
    ("clientCertificate", "content"): (DEVICE, AUTHORITY),
    ("clientPrivateKey", "content"): (KEY,),
    ("clientPrivateKey", "password"): (SESAME,),
    ("preSharedKey", "identity"): ("a", "x" * 128, "with spaces", "æøå"),
    ("preSharedKey", "secret"): ("a1" * 8, "A1" * 64),
    ("config", "*"): (
        {"a": ""},
        {"a" * 64: "b" * 1024},
        {"text": 'lines\nand "quotes" and tabs\t'},
        {f"n{number}": "x" for number in range(100)},
    ),
    ("finished", "*"): ({},),
}
REFUSED: Mapping[tuple[str, str], tuple[tuple[Any, str], ...]] = {
    ("*", "secTag"): tuple(
        (value, "whole number from 0 to 2147483647")
        for value in (-1, 2147483648, 10**30, 1.0, "16842753", True, None, [1], float("nan"))
    ),
    ("certificateSigningRequest", "attributes"): (
        *((value, "text of 0 to 256") for value in (*NOT_TEXT, "CN=" + "x" * 254)),
        *(
            (value, "line breaks, control")
            for value in ("CN=a\nO=b", 'CN="a"', "CN=\0", "CN=a\x7f", "CN=\ud800")
        ),
        *(
            (value, "list like CN=pump-17")
            for value in ("pump-17", "CN=", "XX=a", "CN=a,b", "cn=a", "CN=a;O=b,x")
        ),
    ),
    ("certificateSigningRequest", "keyUsage"): (
        *(
            (value, "nine digits 0 or 1")
            for value in (*NOT_TEXT, "", "10100000", "1010000000", "10100000x", "101000000\n", "１01000000")
        ),
        *((value, "beside keyAgreement") for value in ("101000010", "000000001")),
    ),
    ("serverCertificate", "content"): (
        *((value, "text of 1 to 16384") for value in (*NOT_TEXT, "", "x" * LONG)),
        ("no certificate", "no PEM block"),
        (keys.public_key(1), "PUBLIC KEY"),
        (DEVICE, "not a certificate authority"),
        (AUTHORITY + DEVICE, "Certificate 2 is not a certificate authority"),
        (keys.certificate(1, True, begin=NOW - 2 * DAY, end=NOW - DAY), "expired on 2026-05-31"),
        (keys.certificate(1, True, begin=NOW + 2 * DAY, end=NOW + 3 * DAY), "not valid before"),
        (AUTHORITY * 11, "at most 10"),
        (AUTHORITY.replace("MII", "XII", 1), "damaged"),
    ),
    ("clientCertificate", "content"): (
        *((value, "text of 1 to 16384") for value in (*NOT_TEXT, "", "x" * LONG)),
        ("no certificate", "no PEM block"),
        (keys.certificate(2, begin=NOW - 2 * DAY, end=NOW - DAY), "expired on 2026-05-31"),
        (DEVICE + AUTHORITY, "did not issue"),
        (KEY, "private key"),
    ),
    ("clientPrivateKey", "content"): (
        *((value, "text of 1 to 16384") for value in (*NOT_TEXT, "", "x" * LONG)),
        ("no key", "no PEM block"),
        (DEVICE, "Certificates go into clientCertificate"),
        (KEY * 2, "2 private keys"),
    ),
    ("clientPrivateKey", "password"): (
        *((value, "text of 1 to 128") for value in (*NOT_TEXT, "", "x" * 129)),
        *((value, "line breaks, control") for value in (SESAME + "\n", 'say "sesame"', "\ud800")),
        ("open sesam", "does not open the key"),
    ),
    ("preSharedKey", "identity"): (
        *((value, "text of 1 to 128") for value in (*NOT_TEXT, "", "x" * 129)),
        *((value, "line breaks, control") for value in ("a\r\nb", 'a"b', "a\0b", "\udfff")),
    ),
    ("preSharedKey", "secret"): tuple(
        (value, "even number of hexadecimal digits, 16 to 128")
        for value in (
            *NOT_TEXT,
            "",
            "a1" * 7,
            "a1" * 65,
            "a" * 17,
            "g1" * 8,
            " a1" * 8,
            "a1" * 8 + "\n",
            "１1" * 8,
        )
    ),
    ("config", "*"): (
        *((value, "1 to 100 text pairs") for value in (*NOT_A_MAP, {})),
        ({f"n{number}": "x" for number in range(101)}, "1 to 100 text pairs"),
        *(({name: "x"}, "one line of 1 to 64") for name in ("", "a" * 65, "a\nb", "a\0", 'a"', "\ud800")),
        *(({"a": value}, "text of at most 1024") for value in (*NOT_TEXT, "x" * 1025, "\0", "a\ud800")),
    ),
    ("finished", "*"): (
        *((value, "Must be an object") for value in NOT_A_MAP),
        ({"a": "b"}, "no such field"),
    ),
}


def spread(table: Mapping[tuple[str, str], tuple[Any, ...]]) -> list[tuple[str, str, Any]]:
    """Each case with its type; `*` for a type is every type that has the field."""
    return [
        (one, field, case)
        for (name, field), cases in table.items()
        for one in TYPES
        if one == name or (name == "*" and field in [f.name for f in TYPES[one].fields])
        for case in cases
    ]


def named(cases: list[tuple[str, str, Any]]) -> list[Any]:
    """The cases under names that can be read."""
    return [pytest.param(*case, id=f"{case[0]}.{case[1]} {number}") for number, case in enumerate(cases)]


def requested(name: str, field: str, value: object) -> dict[str, object]:
    return {name: value if field == "*" else {**VALID[name], field: value}}


def refusal(request: object) -> Refusal:
    with pytest.raises(Refusal) as raised:
        catalogue.check(request, NOW)
    assert raised.value.code == "INVALID"
    assert raised.value.errors
    return raised.value


# ---- the tables are complete


def test_every_type_of_the_api_is_there_and_only_those() -> None:
    assert set(TYPES) == set(VALID)
    assert {name: made.kind for name, made in TYPES.items() if made.kind is not Kind.PLAIN} == {
        "clientPrivateKeyGeneration": Kind.KEY,
        "cloudAccessKeyGeneration": Kind.KEY,
        "certificateSigningRequest": Kind.CSR,
        "finished": Kind.FINISHED,
    }


@pytest.mark.parametrize("table", [TAKEN, REFUSED], ids=["taken", "refused"])
def test_every_field_has_its_cases(table: Mapping[tuple[str, str], tuple[Any, ...]]) -> None:
    cases = {(name, field) for name, field, _ in spread(table)}
    fields = {(name, field.name) for name, made in TYPES.items() for field in made.fields}
    assert cases == fields | {("config", "*"), ("finished", "*")}


def test_every_field_says_in_the_schema_what_it_is() -> None:
    for made in TYPES.values():
        for field in made.fields:
            assert field.schema["description"]
            assert field.schema["type"] == ("integer" if field.name == "secTag" else "string")


# ---- taken and refused


@pytest.mark.parametrize(("name", "field", "value"), named(spread(TAKEN)))
def test_what_a_device_can_use_is_taken(name: str, field: str, value: object) -> None:
    request = catalogue.check(requested(name, field, value), NOW)
    assert request.type is TYPES[name]
    given = value if field == "*" else {**VALID[name], field: value}
    assert {**request.params, **request.secrets} == given


@pytest.mark.parametrize(("name", "field", "case"), named(spread(REFUSED)))
def test_what_no_device_can_use_is_refused_with_the_reason(
    name: str, field: str, case: tuple[object, str]
) -> None:
    value, reason = case
    refused = refusal(requested(name, field, value))
    at = f"request.{name}" if field == "*" else f"request.{name}.{field}"
    ((where, reasons),) = (refused.errors or {}).items()
    assert where == at or (field == "*" and where.startswith(at + "."))
    assert reason in reasons[0]
    assert refused.message == f"{where}: {reasons[0]}"


@pytest.mark.parametrize(("name", "field"), [(n, f.name) for n, t in TYPES.items() for f in t.fields])
def test_every_field_is_needed(name: str, field: str) -> None:
    params = {key: value for key, value in VALID[name].items() if key != field}
    assert refusal({name: params}).errors == {f"request.{name}.{field}": ["This field is needed."]}


@pytest.mark.parametrize("name", [name for name in TYPES if name != "config"])
def test_a_field_that_does_not_exist_is_refused(name: str) -> None:
    refused = refusal({name: {**VALID[name], "colour": "blue"}})
    assert refused.errors == {f"request.{name}.colour": ["There is no such field."]}


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = refusal({"preSharedKey": {"secTag": -1, "identity": "", "color": 1}}).errors or {}
    assert sorted(wrong) == [
        f"request.preSharedKey.{name}" for name in ("color", "identity", "secTag", "secret")
    ]


@pytest.mark.parametrize("params", [None, [], "a", 5, True])
@pytest.mark.parametrize("name", [name for name in TYPES if name != "config"])
def test_the_params_are_an_object(name: str, params: object) -> None:
    assert refusal({name: params}).errors == {f"request.{name}": ["Must be an object."]}


@pytest.mark.parametrize("request_", [None, [], "finished", 5, {}, {"finished": {}, "config": {"a": "b"}}])
def test_a_request_is_an_object_with_one_key(request_: object) -> None:
    assert "exactly one key" in (refusal(request_).errors or {})["request"][0]


def test_a_type_that_does_not_exist_is_refused_with_those_that_do() -> None:
    refused = refusal({"selfDestruct" * 100: {}})
    assert "selfDestruct" in refused.message
    assert all(name in refused.message for name in TYPES)
    assert len(refused.message) < 400


# ---- what is stored


def test_certificates_are_stored_without_what_stood_around_them() -> None:
    noisy = "subject: CN = a\r\n" + AUTHORITY.replace("\n", "\r\n") + "\r\n# the end\r\n"
    request = catalogue.check({"serverCertificate": {"secTag": 1, "content": noisy}}, NOW)
    assert request.params["content"] == AUTHORITY


def test_a_private_key_is_stored_without_what_stood_around_it() -> None:
    noisy = "Key Attributes\n" + KEY
    params = {**VALID["clientPrivateKey"], "content": noisy}
    assert catalogue.check({"clientPrivateKey": params}, NOW).secrets["content"] == KEY


# ---- secrets


SECRETS = {"clientPrivateKey": ("content", "password"), "preSharedKey": ("secret",)}


def test_these_fields_are_secret_and_no_others() -> None:
    assert {name: made.secrets for name, made in TYPES.items() if made.secrets} == SECRETS


@pytest.mark.parametrize("name", TYPES)
def test_secrets_are_masked_in_what_is_stored_openly(name: str) -> None:
    request = catalogue.check({name: VALID[name]}, NOW)
    secrets = SECRETS.get(name, ())
    assert request.secrets == {field: VALID[name][field] for field in secrets}
    assert request.params == {**VALID[name], **dict.fromkeys(secrets, MASK)}


def test_a_request_shown_by_a_debugger_or_a_log_does_not_show_its_secrets() -> None:
    for name, secrets in SECRETS.items():
        shown = repr(catalogue.check({name: VALID[name]}, NOW))
        assert not [field for field in secrets if VALID[name][field] in shown]


SECRET_CASES = [
    (name, field, value)
    for name, field, (value, _) in spread(REFUSED)
    if field in SECRETS.get(name, ()) and isinstance(value, str) and len(value) > 4
]


@pytest.mark.parametrize(("name", "field", "value"), named(SECRET_CASES))
def test_a_refused_secret_is_not_repeated(name: str, field: str, value: str) -> None:
    refused = refusal(requested(name, field, value))
    told = f"{refused.message} {refused.errors} {refused!r} {refused.__context__!r} {refused.__cause__!r}"
    for secret in (value, *(VALID[name][field] for field in SECRETS[name])):
        assert secret not in told
        assert secret.strip() not in told


def test_a_secret_with_a_wrong_neighbour_is_not_repeated() -> None:
    for name, secrets in SECRETS.items():
        refused = refusal({name: {**VALID[name], "secTag": -1}})
        assert not [field for field in secrets if VALID[name][field] in f"{refused} {refused.errors}"]


# ---- secrets sent again for a reset


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_sent_again_are_checked_and_masked_like_new_ones(name: str) -> None:
    stored = catalogue.check({name: VALID[name]}, NOW)
    assert catalogue.check_secrets(stored.type, stored.params, stored.secrets, NOW) == stored


def test_secrets_sent_again_are_refused_as_new_ones_are() -> None:
    stored = catalogue.check({"clientPrivateKey": VALID["clientPrivateKey"]}, NOW)
    for given_, where, reason in (
        ({"content": KEY, "password": "wrong"}, "secrets.password", "does not open the key"),
        ({"content": DEVICE, "password": SESAME}, "secrets.content", "Certificates go into"),
        ({"content": KEY, "password": 5}, "secrets.password", "text of 1 to 128"),
        ({"content": KEY}, "secrets", "object with content and password"),
        ({"content": KEY, "password": SESAME, "secTag": 2}, "secrets", "object with content and password"),
        (None, "secrets", "object with content and password"),
        ([], "secrets", "object with content and password"),
    ):
        with pytest.raises(Refusal) as raised:
            catalogue.check_secrets(stored.type, stored.params, given_, NOW)
        assert raised.value.code == "INVALID"
        ((at, reasons),) = (raised.value.errors or {}).items()
        assert (at, reason in reasons[0]) == (where, True)


# ---- anything at all

WILD = st.text(st.characters(categories=["L", "N", "P", "Cc", "Cs"]), max_size=9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WILD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WILD, inner, max_size=3),
    max_leaves=8,
)


def told(request: object) -> str:
    """All that is said of a request, nothing if it is taken."""
    try:
        catalogue.check(request, NOW)
    except Refusal as refused:
        errors = (refused.errors or {}).items()
        return "".join([refused.message, *(text for at, reasons in errors for text in (at, *reasons))])
    return ""


@given(JSON | st.dictionaries(st.sampled_from(sorted(TYPES)), JSON, min_size=1, max_size=1))
@example({"finished": {"\ud800": 1}})
@example({"\ud800": {}})
@example({"config": {"\ud800": "x", "y": 1}})
def test_anything_at_all_is_taken_or_refused_in_words_that_can_be_sent(request_: object) -> None:
    words = told(request_)
    assert words == words.encode(errors="replace").decode()
