"""Loaded by Schemathesis: most of its well-formed addresses get the ids of things that are there."""

import os
import re
from itertools import count
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from tests.abuse.world import World

WORLD = World(int(os.environ["ABUSE_PORT"]), os.environ["ABUSE_KEY"])
NOTHING = 8
"""One address in so many keeps the id that Schemathesis made up, of nothing."""

REPORT = "POST /v1/provisioning/response"
"""Every other report of a device has the shape that docs/wire.md says and the OpenAPI document does not."""

_calls = count(1)


def names(case: Any) -> dict[str, str]:
    """What `WORLD` calls each path parameter of a call."""
    identity = case.operation.path.startswith("/v1/identity-keys/")
    found = re.findall(r"{(\w+)}", case.operation.path)
    return {name: "identity_id" if identity else name for name in found}


def is_negative(case: Any, location: ParameterLocation) -> bool:
    """Whether this part of a call is wrong on purpose."""
    return case.meta is None or case.meta.is_negative_at(location)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.operation.label == REPORT and not is_negative(case, ParameterLocation.BODY) and next(_calls) % 2:
        case.body, case.media_type = {"results": [{"id": f"{uuid4()}.0", "ok": True}]}, "application/json"
    if case.path_parameters and not is_negative(case, ParameterLocation.PATH) and next(_calls) % NOTHING:
        case.path_parameters = {name: WORLD[known] for name, known in names(case).items()}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """What is gone is made anew, and a device that takes no more of its kind: a command of a full list, say."""
    if case.method == "DELETE" or response.status_code in {404, 409}:
        for known in names(case).values():
            if known in WORLD.ids and WORLD.ids[known] in response.request.url:
                WORLD.forget(known)


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whatever is sent as text is text: `null` is a row of CSV like another."""
    text = (case.media_type or "").startswith("text/")
    return not (text and failure.code == "ST201")
