"""A wrong field is refused before it is stored, by its name, and in words that say what to do (API.md, Commands)."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.standalone import material
from tests.standalone.fleet import Device, define

CA = {"secTag": 1, "content": "{ca}"}
KEY = {"secTag": 1, "content": "{key}", "password": material.PASSWORD}
CSR = {"secTag": 1, "attributes": "CN=pump", "keyUsage": "101010000"}
PSK = {"secTag": 1, "identity": "pump", "secret": "0011223344556677"}
TEXTS: dict[str, Callable[[], str]] = {
    "{ca}": material.ca_pem,
    "{leaf}": material.leaf_pem,
    "{key}": material.encrypted_key_pem,
    "{plain}": material.plain_key_pem,
    "{expired ca}": material.expired_ca_pem,
    "{expired leaf}": material.expired_leaf_pem,
    "{costly}": material.costly_key_pem,
    "{csr}": material.request_pem,
    "{public}": material.public_key_pem,
}
MISSING: Any = object()


def filled(value: Any) -> Any:
    if isinstance(value, str):
        for mark, make in TEXTS.items():
            if mark in value:
                value = value.replace(mark, make())
        return value
    if isinstance(value, dict):
        return {name: filled(inner) for name, inner in value.items() if inner is not MISSING}
    return [filled(inner) for inner in value] if isinstance(value, list) else value


WRONG_NUMBERS = [-1, 2147483648, 1.5, 1e3, "1", True, None, [], {}, 10**18, MISSING]
WRONG_TEXTS = [None, 1, True, [], {}, MISSING]
GARBLED = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
WRONG_CA = [
    "",
    "x",
    GARBLED,
    "{leaf}",
    "{expired ca}",
    "{ca}{leaf}",
    "{ca}{expired ca}",
    "{ca}" * 11,
    "{key}",
    "{plain}",
    "{csr}",
    "x" * 20_000,
    "{ca}" + " " * 17_000,
]
WRONG_LEAF = ["", "x", GARBLED, "{expired leaf}", "{leaf}{expired ca}", "{leaf}" * 11, "{key}", "{csr}"]
WRONG_KEY = ["", "x", "{plain}", "{ca}", "{public}", "{key}{key}", "{costly}"]
WRONG_PASSWORD = ["", "wrong", material.PASSWORD + " ", "x" * 10_000]
WRONG_HEX = ["", "00" * 7, "0" * 15, "0" * 17, "00" * 65, "zz" * 8, "0x" + "00" * 8, " " + "00" * 8, "٠٠" * 8]
WRONG_IDENTITY = ["", "i" * 129]
WRONG_USAGE = ["", "1", "10101000", "1010100000", "10101000x", "２01010000", 101010000]
WRONG_ATTRIBUTES = ["x", "CN", "=pump", "CN=" + "x" * 256, "CN=a\nO=b", "ZZ=1"]
WRONG_PAIRS: list[Any] = [
    {},
    {"a": 1},
    {"a": None},
    {"a": True},
    {"a": {"b": "c"}},
    {"a": ["b"]},
    {"": "b"},
    {"k" * 65: "b"},
    {"a": "v" * 1025},
    {str(number): "b" for number in range(101)},
]


def cases() -> list[tuple[str, dict[str, Any], str]]:
    """(what is wrong, the request, the field that the refusal has to name)."""
    found = []

    def each(type: str, good: dict[str, Any], field: str, values: list[Any]) -> None:
        for value in values:
            label = "missing" if value is MISSING else repr(value)[:30]
            found.append(
                (f"{type}.{field} {label}", {type: good | {field: value}}, f"request.{type}.{field}")
            )

    whole: dict[str, dict[str, Any]] = {
        "clientPrivateKeyGeneration": {"secTag": 1},
        "cloudAccessKeyGeneration": {"secTag": 1},
        "certificateSigningRequest": CSR,
        "serverCertificate": CA,
        "clientCertificate": CA | {"content": "{leaf}"},
        "clientPrivateKey": KEY,
        "preSharedKey": PSK,
    }
    for type, good in whole.items():
        each(type, good, "secTag", WRONG_NUMBERS)
        each(type, good, "extra", ["x"])
        each(type, good, "issue", [{}])
    each("certificateSigningRequest", CSR, "attributes", WRONG_TEXTS + WRONG_ATTRIBUTES)
    each("certificateSigningRequest", CSR, "keyUsage", WRONG_TEXTS + WRONG_USAGE)
    each("serverCertificate", CA, "content", WRONG_TEXTS + WRONG_CA)
    each("clientCertificate", CA, "content", WRONG_TEXTS + WRONG_LEAF)
    each("clientPrivateKey", KEY, "content", WRONG_TEXTS + WRONG_KEY)
    each("clientPrivateKey", KEY, "password", WRONG_TEXTS + WRONG_PASSWORD)
    each("preSharedKey", PSK, "identity", WRONG_TEXTS + WRONG_IDENTITY)
    each("preSharedKey", PSK, "secret", WRONG_TEXTS + WRONG_HEX)
    for pairs in WRONG_PAIRS:
        found.append((f"config {str(pairs)[:30]!r}", {"config": pairs}, "request.config"))
    each("finished", {}, "extra", [1])
    for type in ("config", "finished", "serverCertificate"):
        no_objects: list[Any] = [None, [], "x", 1, True]
        found += [(f"{type} {inner!r}", {type: inner}, f"request.{type}") for inner in no_objects]
    shapes: list[Any] = [
        {},
        {"nonsense": {}},
        {"finished": {}, "config": {"a": "b"}},
        None,
        [],
        "finished",
        1,
    ]
    for shape in [*shapes, {"Finished": {}}, {"": {}}]:
        found.append((f"request {shape!r}", shape, "request"))
    return found


ALL = cases()


@pytest.fixture(scope="module")
def refusing(service: Any, owner: Any) -> Device:
    return define(owner, service.mqtt)


@pytest.mark.parametrize(("request_", "field"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_a_wrong_field_is_refused_by_name(refusing: Device, request_: Any, field: str) -> None:
    body = refusing.owner.post(refusing.commands, {"request": filled(request_)}).refused(400)
    assert any(name == field or name.startswith(f"{field}.") for name in body["errors"]), body["errors"]


def test_nothing_of_what_was_refused_is_stored(refusing: Device) -> None:
    assert refusing.listed(run="all") == []


def test_a_costly_key_is_refused_before_anything_is_derived(device: Device) -> None:
    begin = time.monotonic()
    inner = {"secTag": 1, "content": material.costly_key_pem(), "password": "x"}
    device.owner.post(device.commands, {"request": {"clientPrivateKey": inner}}).refused(400)
    assert time.monotonic() - begin < 2


UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfff"]
PLACES: list[tuple[str, Callable[[str], Any]]] = [
    (
        "request.certificateSigningRequest.attributes",
        lambda text: {"certificateSigningRequest": CSR | {"attributes": f"CN={text}"}},
    ),
    (
        "request.serverCertificate.content",
        lambda text: {"serverCertificate": CA | {"content": "{ca}" + text}},
    ),
    (
        "request.clientCertificate.content",
        lambda text: {"clientCertificate": CA | {"content": "{leaf}" + text}},
    ),
    (
        "request.clientPrivateKey.content",
        lambda text: {"clientPrivateKey": KEY | {"content": "{key}" + text}},
    ),
    ("request.clientPrivateKey.password", lambda text: {"clientPrivateKey": KEY | {"password": text}}),
    ("request.preSharedKey.identity", lambda text: {"preSharedKey": PSK | {"identity": text}}),
    ("request.config", lambda text: {"config": {"a": text}}),
    ("request.config", lambda text: {"config": {text: "a"}}),
    ("request", lambda text: {text: {}}),
]


@pytest.mark.parametrize("text", UNSTORABLE, ids=repr)
@pytest.mark.parametrize("place", range(len(PLACES)), ids=[field for field, _ in PLACES])
def test_a_text_that_cannot_be_stored_is_refused(refusing: Device, place: int, text: str) -> None:
    body = {"request": filled(PLACES[place][1](text))}
    refusing.owner.post(refusing.commands, body).refused(400)
    refusing.owner.post(refusing.commands, {"request": {"finished": {}}, "description": text}).refused(400)
    assert refusing.listed(run="all") == []


def test_a_text_that_cannot_be_stored_is_refused_by_the_name_of_its_field(refusing: Device) -> None:
    unnamed = []
    for field, make in PLACES:
        body = refusing.owner.post(refusing.commands, {"request": filled(make("a\0b"))}).refused(400)
        if not any(name.startswith(field) for name in body.get("errors", {})):
            unnamed.append((field, body["message"]))
    assert unnamed == []


def test_a_number_that_no_machine_holds_is_refused_by_the_name_of_its_field(refusing: Device) -> None:
    body = {"request": {"clientPrivateKeyGeneration": {"secTag": 10**40}}}
    refused = refusing.owner.post(refusing.commands, body).refused(400)
    assert "request.clientPrivateKeyGeneration.secTag" in refused.get("errors", {}), refused


def test_issuing_is_taken_or_refused_by_name(refusing: Device) -> None:
    body = {"request": {"certificateSigningRequest": CSR}, "issue": {"validityDays": 30}}
    answer = refusing.owner.post(refusing.commands, body)
    assert answer.status == 201 or "issue" in answer.refused(400)["errors"]


@pytest.mark.parametrize("description", [1, None, [], "x" * 100_000])
def test_a_wrong_description_is_refused(device: Device, description: Any) -> None:
    body = {"request": {"finished": {}}, "description": description}
    assert "description" in device.owner.post(device.commands, body).refused(400)["errors"]


def test_an_unknown_field_beside_the_request_is_refused(device: Device) -> None:
    body = {"request": {"finished": {}}, "priority": 1}
    assert "priority" in device.owner.post(device.commands, body).refused(400)["errors"]


def test_a_missing_request_is_refused(device: Device) -> None:
    assert "request" in device.owner.post(device.commands, {}).refused(400)["errors"]


def test_a_batch_is_all_or_none_and_names_the_one(device: Device) -> None:
    body = {"commands": [{"request": {"finished": {}}}, {"request": {"config": {"a": 1}}}]}
    errors = device.owner.post(f"{device.commands}/batch", body).refused(400)["errors"]
    assert any(name.startswith("commands[1].request.config") for name in errors), errors
    assert device.listed() == []


@pytest.mark.parametrize(
    "commands", [[], None, {}, "x", [1], [None], [[]], [{"request": {"finished": {}}}] * 21]
)
def test_a_batch_of_the_wrong_shape_is_refused(device: Device, commands: Any) -> None:
    body = device.owner.post(f"{device.commands}/batch", {"commands": commands}).refused(400)
    assert any(name.startswith("commands") for name in body["errors"]), body
    assert device.listed() == []


def test_the_twenty_first_open_command_is_refused(device: Device) -> None:
    device.add(*[{"config": {"a": "b"}}] * 20)
    device.owner.post(device.commands, {"request": {"finished": {}}}).refused(409, "QUEUE_FULL")
    assert len(device.listed()) == 20


def test_a_batch_that_does_not_fit_is_refused_whole(device: Device) -> None:
    device.add(*[{"config": {"a": "b"}}] * 19)
    two: dict[str, Any] = {"commands": [{"request": {"finished": {}}}] * 2}
    device.owner.post(f"{device.commands}/batch", two).refused(409, "QUEUE_FULL")
    assert len(device.listed()) == 19
