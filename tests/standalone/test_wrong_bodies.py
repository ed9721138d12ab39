"""What is not a request is refused at the door: 400, 404, 405, 413, 415, in the shape of every error."""

import json
import socket
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.standalone.fleet import Device
from tests.standalone.installation import Installation
from tests.standalone.rest import JSON, Answer, Owner

GOOD = b'{"request": {"finished": {}}}'


def post(device: Device, raw: bytes, type: str | None = JSON) -> Any:
    return device.owner.send("POST", device.commands, raw, {} if type is None else {"Content-Type": type})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b'"text"',
        b"[]",
        b"null",
        b"1",
        b"\xff\xfe{}",
        b'{"request": {"config": {"a": "\xff"}}}',
        GOOD + b"x",
        GOOD + GOOD,
        b'{"request": NaN}',
        b'{"request": {"clientPrivateKeyGeneration": {"secTag": Infinity}}}',
        b'{"request": {"clientPrivateKeyGeneration": {"secTag": 1e999}}}',
        b'{"request": {"finished": {}}, "request": {"finished": {}}}',
        b'{"request": {"config": {"a": "b", "a": "c"}}}',
        b'{"request": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"request": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"request": {"clientPrivateKeyGeneration": {"secTag": ' + b"9" * 10_000 + b"}}}",
    ],
    ids=lambda raw: repr(raw[:50]),
)
def test_bad_json_is_400(device: Device, raw: bytes) -> None:
    post(device, raw).refused(400)
    assert device.listed() == []


@pytest.mark.parametrize(
    "type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "x",
    ],
)
def test_another_content_type_is_415(device: Device, type: str) -> None:
    post(device, GOOD, type).refused(415)
    assert device.listed() == []


@pytest.mark.parametrize("type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_by_another_spelling_is_taken(device: Device, type: str) -> None:
    assert post(device, GOOD, type).status == 201


def test_a_body_of_a_megabyte_and_a_half_is_413(device: Device) -> None:
    body = json.dumps({"request": {"config": {"a": "x" * 1_500_000}}}).encode()
    post(device, body).refused(413)


def test_a_body_that_says_it_is_huge_is_413_before_it_is_read(service: Installation, owner: Owner) -> None:
    head = f"POST /v1/claimed-devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {10**12}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.http), timeout=10) as raw:
        raw.sendall(head.encode())
        answer = HTTPResponse(raw)
        answer.begin()
        content = answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        answer.close()
    Answer(answer.status, headers, content).refused(413)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "{device}"),
        ("POST", "{device}"),
        ("DELETE", "{device}/block"),
        ("GET", "{device}/block"),
        ("PUT", "/v1/claimed-devices"),
        ("TRACE", "/v1/claimed-devices"),
        ("PATCH", "{device}/provisioning"),
    ],
)
def test_another_method_is_405(device: Device, method: str, path: str) -> None:
    answer = device.owner.send(method, path.format(device=device.path))
    answer.refused(405)
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/claimed-devices/",
        "/v1/claimed-devices/x",
        "/v1/claimed-devices/00000000-0000-0000-0000-000000000000",
        "/v1/claimed-devices/%00",
        "/v1/claimed-devices/..%2f..%2fetc",
        "/v1/claimed-devices/" + "a" * 5_000,
    ],
)
def test_what_is_not_there_is_404(owner: Owner, path: str) -> None:
    owner.get(path).refused(404)


def test_a_device_id_has_one_spelling_or_means_the_same(device: Device) -> None:
    for spelled in (device.id.upper(), device.id.replace("-", ""), f"{{{device.id}}}"):
        answer = device.owner.get(f"/v1/claimed-devices/{spelled}")
        assert answer.status == 404 or answer.made()["id"] == device.id


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 1},
        {"name": "x" * 100_000},
        {"name": None},
        {"serialNumber": []},
        {"tags": "x"},
        {"tags": [1]},
        {"tags": [""]},
        {"tags": ["x" * 1_000]},
        {"tags": {"a": "b"}},
        {"tags": [["a"]]},
        {"tags": [str(number) for number in range(10_000)]},
        {"publicKey": "x"},
        {"publicKey": 1},
        {"templateId": "x"},
        {"id": "00000000-0000-4000-8000-000000000000"},
        {"status": "PROVISIONED"},
        {"vendorId": {}},
        {"classId": 7},
    ],
    ids=lambda fields: repr(fields)[:40],
)
def test_a_wrong_device_field_is_refused_by_name(owner: Owner, fields: dict[str, Any]) -> None:
    errors = owner.post("/v1/claimed-devices", fields).refused(400)["errors"]
    (name,) = fields
    assert any(error == name or error.startswith((f"{name}[", f"{name}.")) for error in errors), errors


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=repr)
def test_a_device_text_that_cannot_be_stored_is_refused(owner: Owner, text: str) -> None:
    for fields in ({"name": text}, {"serialNumber": text}, {"tags": [text]}, {text: "x"}, {"vendorId": text}):
        owner.post("/v1/claimed-devices", fields).refused(400)


def test_a_serial_number_is_free_again_when_its_device_is_deleted(new_device: Any, owner: Owner) -> None:
    first = new_device(serialNumber="again")
    assert owner.delete(first.path).status == 204
    second = new_device(serialNumber="again")
    assert second.id != first.id
    assert second.listed(run="all") == []


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"{", b'{"name": "a", "name": "b"}'])
def test_a_device_of_another_shape_is_refused(owner: Owner, raw: bytes) -> None:
    owner.send("POST", "/v1/claimed-devices", raw, {"Content-Type": JSON}).refused(400)


@pytest.mark.parametrize("what", ["block", "unblock"])
def test_what_takes_no_body_says_so_or_ignores_it(device: Device, what: str) -> None:
    answer = device.owner.post(f"{device.path}/{what}", {"force": True})
    assert answer.status in (200, 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "nonsense"},
        {"kind": 1},
        {"kind": None},
        {"kind": "password", "overlap": -1},
        {"kind": "password", "overlap": "1"},
        {"kind": "password", "overlap": 10**12},
        {"kind": "password", "secret": "of my own"},
        {"kind": "password", "password": "of my own"},
        {"kind": "password", "publicKey": "x"},
        {"kind": "publicKey"},
        {"kind": "publicKey", "publicKey": "x"},
    ],
    ids=repr,
)
def test_a_wrong_credential_is_refused(device: Device, body: dict[str, Any]) -> None:
    device.owner.post(f"{device.path}/credentials", body).refused(400)
    assert len(device.owner.all(f"{device.path}/credentials")) == 1


def test_a_serial_number_is_given_once(new_device: Any, owner: Owner) -> None:
    new_device(serialNumber="once")
    answer = owner.post("/v1/claimed-devices", {"serialNumber": "once"})
    answer.refused(409)


def test_a_patch_changes_what_it_names_and_nothing_else(device: Device) -> None:
    before = device.read()
    after = device.owner.patch(device.path, {"name": "Ålesund", "tags": ["b", "a"]}).made()
    assert after["name"] == "Ålesund"
    assert sorted(after["tags"]) == ["a", "b"]
    same = {name: value for name, value in before.items() if name not in ("name", "tags")}
    assert {name: after[name] for name in same} == same


@pytest.mark.parametrize(
    "fields",
    [{"id": "x"}, {"status": "READY"}, {"nonsense": 1}, {"tags": None}, {"name": ["x"]}, {"ownerId": "x"}],
)
def test_a_wrong_patch_is_refused_by_name(device: Device, fields: dict[str, Any]) -> None:
    before = device.read()
    (name,) = fields
    assert name in device.owner.patch(device.path, fields).refused(400)["errors"]
    assert device.read() == before
