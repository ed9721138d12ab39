"""docs/commands.md, from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping

from commands import checks, limits
from commands.catalogue import MASK, TYPES, CommandType, Field
from commands.machine import Kind
from provisioning.documents.markdown import code, page, table

_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"
_KEY = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHs…\n-----END ENCRYPTED PRIVATE KEY-----\n"

EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "clientPrivateKeyGeneration": {"secTag": 16842753},
    "cloudAccessKeyGeneration": {"secTag": 16842754},
    "certificateSigningRequest": {
        "secTag": 16842753,
        "attributes": "CN=pump-17,O=Example,C=NO",
        "keyUsage": "101000000",
    },
    "serverCertificate": {"secTag": 16842753, "content": _CERTIFICATE},
    "clientCertificate": {"secTag": 16842753, "content": _CERTIFICATE},
    "clientPrivateKey": {"secTag": 16842753, "content": _KEY, "password": "correct horse battery"},
    "preSharedKey": {
        "secTag": 16842755,
        "identity": "pump-17",
        "secret": "8f2a5c0b9d4e7f1023456789abcdef00",
    },
    "config": {"mqtt.host": "mqtt.example.com", "report.interval": "600"},
    "finished": {},
}
"""The params of one request for each type; PEM is cut short."""

RESULTS: Mapping[Kind, str] = {
    Kind.PLAIN: "The device answers that it did it, without a value.",
    Kind.KEY: (
        "The device answers with `publicKey`, PEM, and may add a `csr` that proves it. What does not parse,\n"
        "or whose signature does not verify, fails the command with `BAD_RESULT`."
    ),
    Kind.CSR: (
        "The device answers with `csr`, PEM. What does not parse, or whose signature does not verify, fails\n"
        "the command with `BAD_RESULT`."
    ),
    Kind.FINISHED: (
        "The device answers that it has done everything before it. That ends the run: the device is\n"
        "PROVISIONED."
    ),
}

TEXT = """\
# Command types

What a fleet owner can ask a device to do. A command is posted to `/v1/claimed-devices/{id}/provisioning`
and goes to the end of the device's list:

```json
$request
```

`request` has exactly one key, the type; `description` is yours and may be left out.
`…/provisioning/batch` takes `{"commands": […]}`, up to $most of them, all or none.

Every field is checked when it is posted, for what it is and not only for its shape. A field that no
device could use is refused with 400, its name and what to do, and nothing is stored. Every field is
needed; one that is not listed here is an error.

These fields are secret: $secrets.
They are encrypted at rest, read `$mask` everywhere but on the wire to their device, and are erased when the
device confirmed the command or its owner skipped it. A command that FAILED keeps them for a reset, at most
$days days; after that a reset needs them again.

$types

$sections
"""


def document() -> str:
    """The page of command types."""
    secrets = [f"`{field}` of `{made.name}`" for made in TYPES.values() for field in made.secrets]
    return page(
        TEXT,
        request=_json({"description": "what it is for", "request": {"config": EXAMPLES["config"]}}),
        most=limits.MAX_OPEN,
        secrets=", ".join(secrets),
        mask=MASK,
        days=limits.SECRET_DAYS,
        types=table(["type", "what it does"], [[_link(made.name), made.summary] for made in TYPES.values()]),
        sections="\n\n".join(_section(made) for made in TYPES.values()),
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _link(name: str) -> str:
    return f"[`{name}`](#{name.lower()})"


def _section(made: CommandType) -> str:
    example = f"```json\n{_json({made.name: EXAMPLES[made.name]})}\n```"
    return "\n\n".join([f"## {made.name}", made.summary, _fields(made), example, RESULTS[made.kind]])


def _fields(made: CommandType) -> str:
    if made.pairs is not None:
        return (
            f"It has 1 to {checks.PAIRS_MOST} pairs of your own: a name is one line of 1 to "
            f"{checks.PAIR_NAME_MOST} characters,\na value is text of at most {checks.PAIR_VALUE_MOST}."
        )
    if not made.fields:
        return "It has no fields."
    rows = [[code(f.name), _limits(f), str(f.schema["description"]), _secret(f)] for f in made.fields]
    return table(["field", "limits", "meaning", "secret"], rows)


def _limits(field: Field) -> str:
    schema = field.schema
    if schema["type"] == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    parts = [code(str(schema["pattern"]))] if "pattern" in schema else []
    if "minLength" in schema:
        parts.append(f"{schema['minLength']} to {schema['maxLength']} characters")
    elif "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    return ", ".join(parts)


def _secret(field: Field) -> str:
    return "yes" if field.secret else ""
