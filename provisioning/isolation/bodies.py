"""A body that each operation takes: known ones by the operation's id, any other made from its schema. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provisioning.isolation.document import Operation

Body = Mapping[str, Any] | str | None


def _request(marker: str) -> Mapping[str, Any]:
    return {"request": {"config": {"marker": marker}}}


EVENT = "command.failed"
"""What the proof's webhooks wait for, at an address that no name leads to."""

KNOWN: Mapping[str, Callable[[str], Body]] = {
    "createAPIKey": lambda marker: {"name": marker, "role": "viewer"},
    "createMember": lambda marker: {"userName": marker, "role": "viewer"},
    "claimDevices": lambda marker: {"name": marker, "serialNumber": marker, "tags": [marker]},
    "changeDevice": lambda marker: {"name": marker},
    "createCredential": lambda marker: {"kind": "password"},
    "addCommand": _request,
    "addCommands": lambda marker: {"commands": [_request(marker)]},
    "resetCommand": lambda marker: None,
    "resetCommands": lambda marker: None,
    "bulkClaimDevices": lambda marker: f"no token,{marker}\n",
    "onboardDevices": lambda marker: f"{marker},,{marker},,no certificate\n",
    "createRule": lambda marker: {"name": marker, "tags": [marker], "commands": [_request(marker)]},
    "changeRule": lambda marker: {"description": marker},
    "describeTag": lambda marker: {"tag": marker, "description": marker},
    "createTenant": lambda marker: {"name": marker},
    "changeMember": lambda marker: {"role": "viewer"},
    "changeTenant": lambda marker: {},
    "createWebhook": lambda marker: {"url": f"https://{marker}.invalid/", "events": [EVENT]},
    "changeWebhook": lambda marker: {"description": marker},
}
"""`marker` is a text that is found again wherever it is shown."""


def body(operation: Operation, marker: str) -> Body:
    """What to send: a mapping as JSON, a text as CSV, None for nothing."""
    if operation.id in KNOWN:
        return KNOWN[operation.id](marker)
    if operation.schema is None:
        return f"{marker}\n" if operation.csv else None
    made = value(operation.schema, marker)
    return made if isinstance(made, Mapping) else {}


def id_fields(operation: Operation) -> list[str]:
    """The fields of the body that take the id of something else."""
    properties = (operation.schema or {}).get("properties", {})
    return [name for name, schema in properties.items() if schema.get("format") == "uuid"]


def value(schema: Mapping[str, Any], marker: str) -> Any:
    """The least that the schema asks for."""
    for choice in ("oneOf", "anyOf", "allOf"):
        if schema.get(choice):
            return value(schema[choice][0], marker)
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            properties = schema.get("properties", {})
            return {name: value(properties.get(name, {}), marker) for name in needed}
        case "array":
            return [value(schema.get("items", {}), marker)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return _text(schema.get("format"), marker)


def _text(format: str | None, marker: str) -> str:
    match format:
        case "uri":
            return f"https://{marker}.example.com/"
        case "date-time":
            return "2999-01-01T00:00:00.000Z"
        case "uuid":
            return "00000000-0000-4000-8000-000000000000"
    return marker
