"""Fields of a device in the texts of a rule's commands: filled in where they may stand, refused elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import placeholders
from commands.catalogue import TYPES
from commands.placeholders import KNOWN, SAMPLE
from tenants.errors import Refusal

VALUES = {**SAMPLE, "device.id": "d-1", "device.serialNumber": "SN-1", "device.name": "{{device.id}}"}


def filled(request: object) -> object:
    return placeholders.fill(request, VALUES)


def refused(request: object, **values: str) -> dict[str, str]:
    """The reason by field."""
    with pytest.raises(Refusal) as raised:
        placeholders.fill(request, {**VALUES, **{f"device.{name}": value for name, value in values.items()}})
    assert raised.value.code == "INVALID"
    return {field: reasons[0] for field, reasons in (raised.value.errors or {}).items()}


def csr(attributes: str) -> dict[str, dict[str, object]]:
    params = {"secTag": 1, "attributes": attributes, "keyUsage": "101000000"}
    return {"certificateSigningRequest": params}


@pytest.mark.parametrize("name", SAMPLE)
def test_every_known_field_is_filled_in(name: str) -> None:
    assert filled({"config": {"a": f"<{{{{{name}}}}}>"}}) == {"config": {"a": f"<{VALUES[name]}>"}}
    assert f"{{{{{name}}}}}" in KNOWN


def test_a_text_may_name_several_fields_and_one_of_them_twice() -> None:
    text = "{{device.id}}/{{device.serialNumber}}/{{device.id}}"
    assert filled({"config": {"topic": text}}) == {"config": {"topic": "d-1/SN-1/d-1"}}
    assert filled(csr("CN={{device.id}},O=Example")) == csr("CN=d-1,O=Example")


def test_what_was_filled_in_is_not_looked_at_again() -> None:
    assert filled({"config": {"a": "{{device.name}}"}}) == {"config": {"a": "{{device.id}}"}}


def test_names_of_pairs_and_secrets_stay_as_they_are() -> None:
    pair = {"config": {"{{device.id}}": "x"}}
    assert filled(pair) == pair
    key = {"clientPrivateKey": {"secTag": 1, "content": "{{x", "password": "{{device.id}}"}}
    assert filled(key) == key
    shared = {"preSharedKey": {"secTag": 1, "identity": "{{device.id}}", "secret": "{{device.id}}"}}
    assert filled(shared) == {"preSharedKey": {"secTag": 1, "identity": "d-1", "secret": "{{device.id}}"}}


def test_closing_braces_alone_are_a_text() -> None:
    json = {"config": {"json": '{"a":{"b":1}}'}}
    assert filled(json) == json
    assert placeholders.fixed(TYPES["config"], json["config"])


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "a {{",
        "{{device.id",
        "{{device.id}",
        "{{device.id }}",
        "{{ device.id}}",
        "{{device}}",
        "{{device.tags}}",
        "{{id}}",
        "{{}}",
        "{{{device.id}}}",
        "{{device.id}} {{device.ID}}",
        "{{" + "x" * 100 + "}}",
        "{{" * 8_000,
    ],
)
def test_unknown_and_broken_braces_are_told_what_may_stand_there(text: str) -> None:
    ((field, reason),) = refused({"config": {"url": text}}).items()
    assert field == "request.config.url"
    assert KNOWN in reason


def test_every_wrong_field_is_named() -> None:
    assert set(refused({"config": {"a": "{{x}}", "b": "fine", "c": "{{"}})) == {
        "request.config.a",
        "request.config.c",
    }
    assert set(refused(csr("CN={{x}}"))) == {"request.certificateSigningRequest.attributes"}


@pytest.mark.parametrize("value", ["a,O=Other", "a;b", "a+CN=b", "a\\"])
def test_a_device_cannot_begin_another_name_of_a_subject(value: str) -> None:
    ((_, reason),) = refused(csr("CN={{device.serialNumber}}"), serialNumber=value).items()
    assert "device.serialNumber" in reason
    assert placeholders.fill({"config": {"a": "{{device.name}}"}}, {"device.name": value}) == {
        "config": {"a": value}
    }


def test_what_is_stored_keeps_the_braces_and_takes_everything_else_as_checked() -> None:
    made = TYPES["preSharedKey"]
    given = {"secTag": 1, "identity": "{{device.id}}", "secret": "{{device.id}}"}
    checked = {"secTag": 1, "identity": "d-1", "secret": "***"}
    assert placeholders.unfilled(made, given, checked) == {**checked, "identity": "{{device.id}}"}
    assert not placeholders.fixed(made, given)
    assert placeholders.fixed(made, {**given, "identity": "pump"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.dictionaries(st.sampled_from(sorted(TYPES)), JSON, min_size=1, max_size=1))
def test_what_is_no_request_is_left_to_the_catalogue(request_: object) -> None:
    said = ""
    try:
        placeholders.fill(request_, VALUES)
    except Refusal as refusal:
        said = refusal.message
    assert not said or ("{{" in str(request_) and KNOWN in said)


@given(st.lists(st.sampled_from([*(f"{{{{{name}}}}}" for name in SAMPLE), "a", "}}", " ", "{"]), max_size=12))
def test_filled_in_means_each_replaced_and_nothing_else(parts: list[str]) -> None:
    wanted = [VALUES.get(part.strip("{}"), part) if part.startswith("{{") else part for part in parts]
    try:
        found = filled({"config": {"a": "".join(parts)}})
    except Refusal:
        assert "{" in parts
    else:
        assert found == {"config": {"a": "".join(wanted)}}
