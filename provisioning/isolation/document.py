"""The installation's OpenAPI document as a list of operations. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "patch", "put", "delete")

_ROLE = re.compile(r"Needs the role `(\w+)`")
_PARAMETER = re.compile(r"\{(\w+)\}")


class NotOurs(Exception):
    """What answers there is not the OpenAPI document of this API; says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `role` is the least that it needs; "" where devices sign in and API keys do not.

    `schema` is that of a JSON body, `csv` says that the body is CSV and nothing else.
    """

    id: str
    method: str
    path: str
    role: str
    parameters: tuple[str, ...]
    queries: tuple[str, ...]
    schema: Mapping[str, Any] | None
    csv: bool

    @property
    def name(self) -> str:
        """As a person reads it."""
        return f"{self.method} {self.path}"

    def fill(self, ids: Mapping[str, str]) -> str:
        """The path with these ids."""
        return self.path.format(**ids)


def operations(document: Mapping[str, Any]) -> Sequence[Operation]:
    """Every operation. Raises `NotOurs`."""
    try:
        schemas = document.get("components", {}).get("schemas", {})
        found = [
            _operation(path, method, said, schemas)
            for path, methods in document["paths"].items()
            for method, said in methods.items()
            if method in METHODS
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise NotOurs(f"the OpenAPI document is not understood: {error!r}") from None
    if not found:
        raise NotOurs("the OpenAPI document has no operations")
    return found


def _operation(path: str, method: str, said: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    role = _ROLE.search(said.get("description", ""))
    schema = content.get("application/json", {}).get("schema")
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        role=role[1] if role else "",
        parameters=tuple(_PARAMETER.findall(path)),
        queries=tuple(one["name"] for one in said.get("parameters", ()) if one["in"] == "query"),
        schema=None if schema is None else resolved(schema, schemas),
        csv="text/csv" in content and schema is None,
    )


def resolved(schema: Any, schemas: Mapping[str, Any], depth: int = 8) -> Any:
    """The schema with what it refers to in place, as deep as a body is ever made."""
    if isinstance(schema, list):
        return [resolved(one, schemas, depth) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return resolved(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth - 1) if depth else {}
    return {name: resolved(one, schemas, depth) for name, one in schema.items()}
