"""The OpenAPI document is made without a warning, says all that there is, and is served without a key."""

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from commands.catalogue import TYPES
from tests.rest.cast import call, page
from tests.rest.routes import CALLS, NAMES, Route, routes

FOR_DEVICES = {("/v1/provisioning/commands", "GET"), ("/v1/provisioning/response", "POST")}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    return dict(json.loads(out.getvalue()))


@pytest.mark.django_db
def test_it_is_served_to_anybody(document: dict[str, Any]) -> None:
    answer = call("GET", "/v1/openapi.json")
    assert (answer.status, answer.body) == (200, document)
    assert call("GET", "/v1/openapi.json", headers={"Accept": "application/json"}).status == 200


def test_it_has_every_address_and_nothing_else(document: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    owners = {("/" + route.template, method) for route in routes() for method in route.methods}
    assert described == owners | FOR_DEVICES


@pytest.mark.parametrize(("path", "method"), sorted(FOR_DEVICES))
def test_what_is_for_devices_is_said_to_be(document: dict[str, Any], path: str, method: str) -> None:
    operation = document["paths"][path][method.lower()]
    assert operation["security"] == [{"device": []}]
    assert operation["tags"] == ["For devices"]


@pytest.mark.parametrize(("route", "method"), CALLS, ids=NAMES)
def test_every_operation_says_what_it_does_and_who_may(
    document: dict[str, Any], route: Route, method: str
) -> None:
    operation = document["paths"]["/" + route.template][method.lower()]
    assert f"Needs the role `{route.roles[method]}`." in operation["description"]
    assert 5 < len(operation["summary"]) < 100
    assert operation["security"] == [{"apiKey": []}]
    assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}
    assert operation["responses"]["default"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }
    names = (
        {parameter["name"] for parameter in operation["parameters"]} if "parameters" in operation else set()
    )
    assert ("Idempotency-Key" in names) == (method in route.view.creates)
    assert set(route.parameters) <= names


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z][A-Za-z]+", name) for name in names)


def test_it_says_how_to_sign_in(document: dict[str, Any]) -> None:
    scheme = document["components"]["securitySchemes"]["apiKey"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@pytest.mark.parametrize("name", TYPES)
def test_every_command_type_is_described_as_the_catalogue_has_it(document: dict[str, Any], name: str) -> None:
    made = TYPES[name]
    for component, masked in (("NewCommandRequest", False), ("Command", True)):
        request = document["components"]["schemas"][component]["properties"]["request"]
        (one,) = [option for option in request["oneOf"] if option["title"] == name]
        assert (one["required"], one["additionalProperties"]) == ([name], False)
        params = one["properties"][name]
        if made.pairs is not None:
            assert params["additionalProperties"]["type"] == "string"
            continue
        assert set(params["properties"]) == {field.name for field in made.fields}
        assert params.get("required", []) == [field.name for field in made.fields]
        assert params["additionalProperties"] is False
        for field in made.fields:
            shown = params["properties"][field.name]
            assert shown == ({"type": "string", "enum": ["***"]} if masked and field.secret else field.schema)


@pytest.mark.django_db
def test_the_page_for_people_needs_nothing_from_elsewhere() -> None:
    status, text = page("/v1/docs")
    assert status == 200
    assert "/v1/openapi.json" in text
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(sources) >= 3
    for source in sources:
        assert source.startswith("/static/")
        assert page(source)[0] == 200
