"""What holds for every answer of a whole life: no secrets, times in one form, shapes as documented."""

import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.urls import resolve

from commands.models import Command
from devices.models import Credential, TimelineEntry
from tenants.models import APIKey, IdempotentAnswer, Webhook, WebhookDelivery
from tests.rest.cast import Cast
from tests.rest.conversation import Heard, Life, live
from tests.rest.routes import CALLS

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MASKED = {"secret", "password"}


@pytest.fixture
def life(cast: Cast, caplog: pytest.LogCaptureFixture) -> Life:
    caplog.set_level(logging.DEBUG)
    return live(cast)


def pairs(value: object) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at every level."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield name, below
            yield from pairs(below)
    elif isinstance(value, list):
        for below in value:
            yield from pairs(below)


def test_every_address_is_called_in_that_life(life: Life) -> None:
    called = {(h.method, resolve(h.path.partition("?")[0]).view_name) for h in life.heard}
    assert called == {(method, route.name) for route, method in CALLS}
    assert {h.answer.status for h in life.heard} == {200, 201, 202, 204, 400, 409}


def test_no_answer_shows_a_secret_but_the_one_that_made_it(life: Life) -> None:
    text = [json.dumps(h.answer.body) for h in life.heard]
    for secret in life.sent:
        assert not [t for t in text if secret in t]
    for secret in life.shown:
        assert len([t for t in text if secret in t]) == 1
    for h in life.heard:
        for name, value in pairs(h.answer.body):
            if name in MASKED and h.answer.status < 300 and isinstance(value, str):
                assert value == "***" or value in life.shown
            # Those of the audit log's chain are there to be seen.
            assert name not in {"digest", "secrets", "fold", "body_mac"} or h.path.startswith("/v1/audit-log")


def test_no_log_holds_a_secret(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.flush()
    for secret in (*life.sent, *life.shown):
        assert secret not in caplog.text


def test_no_row_holds_a_secret_in_the_clear(cast: Cast) -> None:
    life = live(cast)
    rows = [
        str(list(model.objects.values()))
        for model in (
            Command,
            Credential,
            TimelineEntry,
            APIKey,
            IdempotentAnswer,
            Webhook,
            WebhookDelivery,
            User,
        )
    ]
    for secret in (*life.sent, *life.shown):
        assert not [row for row in rows if secret in row]


def test_every_time_is_utc_with_milliseconds(life: Life) -> None:
    times = [
        value
        for h in life.heard
        for name, value in pairs(h.answer.body)
        if (name.endswith("At") or name in {"at", "since"}) and value is not None
    ]
    assert len(times) > 50
    assert [time for time in times if not TIME.fullmatch(time)] == []


def test_every_answer_has_the_documented_shape(life: Life) -> None:
    document = schema()
    for h in life.heard:
        if h.answer.status == 204:
            assert h.answer.body is None
            continue
        described = described_answer(document, h)
        jsonschema.Draft202012Validator({**described, "components": document["components"]}).validate(
            h.answer.body
        )


def described_answer(document: dict[str, Any], heard: Heard) -> dict[str, Any]:
    match = resolve(heard.path.partition("?")[0])
    path = "/" + re.sub(r"<id:(\w+)>", r"{\1}", match.route)
    answers = document["paths"][path][heard.method.lower()]["responses"]
    answer = answers.get(str(heard.answer.status), answers["default"])
    shape: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return shape


def schema() -> dict[str, Any]:
    """The OpenAPI document as JSON Schema: closed objects, and `nullable` in its words."""
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    return closed(json.loads(out.getvalue()))  # type: ignore[no-any-return]


def closed(value: Any) -> Any:
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: closed(below) for name, below in value.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = False
    if made.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, made]}
    return made
