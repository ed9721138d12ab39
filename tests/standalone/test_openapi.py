"""The OpenAPI document is true: what it says is sent is sent, and what it does not say is refused."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.standalone.board import failed, ok
from tests.standalone.fleet import FINISHED, Device, config, key_generation, preshared
from tests.standalone.material import public_key_pem
from tests.standalone.rest import Owner

METHODS = {"get", "post", "put", "patch", "delete"}


class Names(dict[str, str]):
    """The ids of an address; one that is not named is that of nothing."""

    def __missing__(self, name: str) -> str:
        return str(uuid.uuid4())


@pytest.fixture(scope="module")
def document(owner: Owner) -> dict[str, Any]:
    answer = owner.get("/v1/openapi.json")
    assert answer.headers["content-type"].split(";")[0] in (
        "application/json",
        "application/vnd.oai.openapi+json",
    )
    return dict(answer.made())


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return resolved(document, found)
    return schema


def faults(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str = "$") -> Iterator[str]:
    """What of a value the schema does not allow: the part of JSON Schema that the document uses."""
    schema = resolved(document, schema)
    if value is None:
        yield from () if schema.get("nullable") else (f"{at}: null is not allowed",)
        return
    for inner in schema.get("allOf", []):
        yield from faults(document, inner, value, at)
    if "oneOf" in schema and sum(not list(faults(document, one, value, at)) for one in schema["oneOf"]) != 1:
        yield f"{at}: matches not exactly one of oneOf: {str(value)[:200]}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not in {schema['enum']}"
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
    }
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, kinds[kind]) or (kind == "integer" and value is True)):
        yield f"{at}: {value!r} is no {kind}"
    elif isinstance(value, dict):
        yield from object_faults(document, schema, value, at)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from faults(document, schema.get("items", {}), item, f"{at}[{number}]")
    elif isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: {value} is out of range"


def object_faults(
    document: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{at}: {name} is missing"
    for name, inner in value.items():
        if name in properties:
            yield from faults(document, properties[name], inner, f"{at}.{name}")
        elif isinstance(extra := schema.get("additionalProperties"), dict):
            yield from faults(document, extra, inner, f"{at}.{name}")
        elif schema.get("additionalProperties") is False or (properties and "allOf" not in schema):
            yield f"{at}: {name} is not in the document"


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_the_document_is_well_formed(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.")
    assert {"title", "version"} <= set(document["info"])
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    for reference in set(references(document)):
        assert resolved(document, {"$ref": reference}) is not None


def test_every_operation_declares_its_path_parameters_its_answers_and_its_key(
    document: dict[str, Any],
) -> None:
    schemes = document["components"]["securitySchemes"]
    for method, path, operation in operations(document):
        declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path
        assert operation["responses"], path
        security = operation.get("security", document.get("security"))
        assert security, (method, path)
        assert all(name in schemes for choice in security for name in choice), path


def test_every_call_of_the_api_that_is_here_is_documented(document: dict[str, Any]) -> None:
    at = "/v1/claimed-devices/{}"
    here = {("post", "/v1/claimed-devices"), ("get", "/v1/claimed-devices")}
    here |= {(method, at) for method in ("get", "patch", "delete")}
    here |= {("post", f"{at}/{what}") for what in ("block", "unblock", "credentials", "provisioning")}
    here |= {("post", f"{at}/provisioning/{what}") for what in ("batch", "reset", "{}/reset", "{}/skip")}
    here |= {("get", f"{at}/{what}") for what in ("credentials", "timeline", "explain", "provisioning")}
    here |= {(method, f"{at}/provisioning/{{}}") for method in ("get", "delete")}
    here |= {("delete", f"{at}/credentials/{{}}")}
    found = {(method, re.sub(r"{\w+}", "{}", path)) for method, path, _ in operations(document)}
    assert here <= found, here - found


def answered(document: dict[str, Any], method: str, path: str, status: int) -> dict[str, Any] | None:
    operation = document["paths"][path][method]
    answer = resolved(document, operation["responses"].get(str(status)) or operation["responses"]["default"])
    content = answer.get("content", {}).get("application/json")
    return None if content is None else content["schema"]


def test_what_is_answered_is_what_the_document_says(
    document: dict[str, Any], device: Device, owner: Owner
) -> None:
    first, key, psk, last = device.add(config(), key_generation(), preshared(), FINISHED)
    with device.board() as board:
        served = [command["id"] for command in board.get()["commands"]]
        board.results(ok(served[0]), ok(served[1], {"publicKey": public_key_pem()}), failed(served[2]))
        board.rejected("get", b"nonsense")
    names = Names(device_id=device.id, command_id=first)
    names["credential_id"] = owner.all(f"{device.path}/credentials")[0]["id"]
    bodies: dict[tuple[str, str], Any] = {
        ("post", "/v1/claimed-devices"): {"name": "x"},
        ("post", "/v1/api-keys"): {"name": "x", "role": "viewer"},
        ("patch", "/v1/claimed-devices/{device_id}"): {"name": "x"},
        ("post", "/v1/claimed-devices/{device_id}/credentials"): {"kind": "password"},
        ("post", "/v1/claimed-devices/{device_id}/provisioning"): {"request": {"finished": {}}},
        ("post", "/v1/claimed-devices/{device_id}/provisioning/batch"): {
            "commands": [{"request": {"finished": {}}}]
        },
    }
    wrong = []
    for method, path, _ in sorted(
        operations(document), key=lambda found: (found[0] == "delete", found[1] + found[0])
    ):
        url, body = path.format_map(names), bodies.get((method, path))
        if method in ("post", "patch"):
            answer = owner.post(url, body) if method == "post" else owner.patch(url, body)
        else:
            answer = owner.get(url) if method == "get" else owner.delete(url)
        assert answer.status < 500, (method, url, answer.content)
        schema = answered(document, method, path, answer.status)
        if answer.content:
            assert schema is not None, (method, path, answer.status)
            wrong += [
                f"{method} {path} {answer.status} {fault}" for fault in faults(document, schema, answer.body)
            ]
    assert wrong == []
    assert key
    assert psk
    assert last


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_every_operation_without_a_key_is_401(
    document: dict[str, Any], owner: Owner, headers: dict[str, str]
) -> None:
    nobody = Owner(owner.port, None, headers)
    for method, path, _ in operations(document):
        nobody.send(
            method.upper(), path.format_map(Names()), b"{}", {"Content-Type": "application/json"}
        ).refused(401)


def test_every_body_of_another_shape_is_refused_and_nothing_of_it_breaks(
    document: dict[str, Any], device: Device, owner: Owner
) -> None:
    (command,) = device.add(config())
    names = Names(device_id=device.id, command_id=command)
    junk: list[Any] = [[], "x", 1, True, None, {"": 1}, {"x" * 1000: {}}, {"a": [[[[]]]]}]
    for method, path, operation in operations(document):
        taken = operation.get("requestBody", {}).get("content", {})
        others = "key_id" in path or "identity-keys" in path
        others = others or not {"For devices", "Platform"}.isdisjoint(operation["tags"])
        if others or "application/json" not in taken:
            continue
        for body in junk:
            raw = json.dumps(body).encode()
            answer = owner.send(
                method.upper(), path.format_map(names), raw, {"Content-Type": "application/json"}
            )
            answer.refused(400)


def test_every_property_of_the_wrong_type_is_refused(
    document: dict[str, Any], device: Device, owner: Owner
) -> None:
    good: dict[str, Any] = {
        "/v1/claimed-devices": {},
        "/v1/claimed-devices/{device_id}/credentials": {"kind": "password"},
        "/v1/claimed-devices/{device_id}/provisioning": {"request": {"finished": {}}},
        "/v1/api-keys": {"name": "x", "role": "viewer"},
    }
    for path, body in good.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        schema = resolved(document, content["schema"])
        schema = resolved(document, schema["oneOf"][-1]) if "oneOf" in schema else schema
        for name, property in schema["properties"].items():
            values: list[Any] = [7.5, True, {"a": 1}, [[]], "\u0007" * 5_000]
            for value in values:
                if not list(faults(document, property, value)):
                    continue
                answer = owner.post(path.format(device_id=device.id), body | {name: value})
                errors = answer.refused(400)["errors"]
                assert any(error.split("[")[0].split(".")[0] == name for error in errors), (
                    path,
                    name,
                    value,
                    errors,
                )


def test_people_can_read_the_document(owner: Owner) -> None:
    page = Owner(owner.port, None).get("/v1/docs")
    assert page.status == 200
    assert b"<html" in page.content.lower()
    # It works without the internet: what it loads comes from here.
    for source in re.findall(rb'(?:src|href)="([^"]+)"', page.content):
        assert not source.startswith((b"http", b"//")), source
        if not source.startswith(b"data:"):
            assert Owner(owner.port, None).get(source.decode()).status == 200, source
