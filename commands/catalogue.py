"""Every command type is here, as data; REST, the wire, the admin, the docs and the tests read this table.

A type says which fields a request has, how each is checked before it is stored, and what the machine must know.
Source: API.md "Types and their rules". This file does not know Django.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from commands import checks
from commands.machine import Kind
from pki.errors import Invalid
from tenants.errors import Refusal

MASK = "***"
"""What stands where a secret was, everywhere but on the wire to its device."""

Check = Callable[[object, datetime], object]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request: `check` gives the value to store or raises `Invalid`; `schema` is for OpenAPI."""

    name: str
    check: Check
    schema: Mapping[str, object]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class CommandType:
    """A kind of command. `pairs` is set where the request is free text pairs instead of named fields.

    `together` checks what no field can check alone and raises `checks.Mismatch`.
    """

    name: str
    kind: Kind
    summary: str
    fields: tuple[Field, ...] = ()
    pairs: Check | None = None
    together: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the fields that are encrypted at rest and masked."""
        return tuple(field.name for field in self.fields if field.secret)


def _schema(description: str, **more: object) -> Mapping[str, object]:
    return {"type": "string", "description": description, **more}


SEC_TAG = Field(
    "secTag",
    checks.integer,
    {
        "type": "integer",
        "minimum": 0,
        "maximum": checks.SEC_TAG_MOST,
        "description": "The slot of the device's credential store.",
    },
)


def _content(check: Check, description: str, secret: bool = False) -> Field:
    return Field("content", check, _schema(description, maxLength=checks.PEM_MOST), secret)


TYPES: Mapping[str, CommandType] = {
    made.name: made
    for made in (
        CommandType(
            "clientPrivateKeyGeneration",
            Kind.KEY,
            "The device makes a key pair in the slot and answers with the public key.",
            (SEC_TAG,),
        ),
        CommandType(
            "cloudAccessKeyGeneration",
            Kind.KEY,
            "The same, and the public key becomes the device's `publicKey` credential here.",
            (SEC_TAG,),
        ),
        CommandType(
            "certificateSigningRequest",
            Kind.CSR,
            "The device makes a key pair in the slot and answers with a certificate signing request.",
            (
                SEC_TAG,
                Field(
                    "attributes",
                    checks.attributes,
                    _schema("The subject, e.g. CN=pump-17,O=Example,C=NO.", maxLength=256),
                ),
                Field(
                    "keyUsage",
                    checks.key_usage,
                    _schema("Nine digits, as X.509 orders the key usages.", pattern="^[01]{9}$"),
                ),
            ),
        ),
        CommandType(
            "serverCertificate",
            Kind.PLAIN,
            "The device stores the CA certificates that it trusts.",
            (SEC_TAG, _content(checks.authorities, "PEM, 1 to 10 CA certificates that have not expired.")),
        ),
        CommandType(
            "clientCertificate",
            Kind.PLAIN,
            "The device stores its own certificate.",
            (SEC_TAG, _content(checks.chain, "PEM, the device's certificate first, none expired.")),
        ),
        CommandType(
            "clientPrivateKey",
            Kind.PLAIN,
            "The device stores a private key that was made elsewhere.",
            (
                SEC_TAG,
                _content(checks.pem, "Encrypted PKCS#8 PEM.", secret=True),
                Field(
                    "password", checks.password, _schema("The password that opens it.", maxLength=128), True
                ),
            ),
            together=checks.key_opens,
        ),
        CommandType(
            "preSharedKey",
            Kind.PLAIN,
            "The device stores a pre-shared key.",
            (
                SEC_TAG,
                Field("identity", checks.identity, _schema("The PSK identity.", minLength=1, maxLength=128)),
                Field(
                    "secret",
                    checks.psk,
                    _schema(
                        "Hexadecimal, an even number of digits.",
                        pattern="^(?:[0-9A-Fa-f]{2})+$",
                        minLength=16,
                        maxLength=128,
                    ),
                    True,
                ),
            ),
        ),
        CommandType(
            "config", Kind.PLAIN, "The device stores these settings: 1 to 100 text pairs.", pairs=checks.pairs
        ),
        CommandType("finished", Kind.FINISHED, "The list is complete: the device is provisioned."),
    )
}


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request: `params` as stored, secrets masked; `secrets` holds what was masked."""

    type: CommandType
    params: Mapping[str, object]
    secrets: Mapping[str, str] = field(repr=False)


def check(request: object, now: datetime) -> Request:
    """The request if every field of it holds. Raises `Refusal` INVALID that names each wrong field."""
    if not isinstance(request, Mapping) or len(request) != 1:
        raise _refusal({"request": ["Must be an object with exactly one key, the command's type."]})
    ((name, params),) = request.items()
    made = TYPES.get(name)
    if made is None:
        raise _refusal(
            {"request": [f"{str(name)[:64]!r} is no command type. Use one of {', '.join(TYPES)}."]}
        )
    return _masked(made, _checked(made, params, now, f"request.{made.name}"))


def check_secrets(
    made: CommandType, params: Mapping[str, object], given: object, now: datetime, at: str = "secrets"
) -> Request:
    """The stored request with secrets that its owner sent again. Raises `Refusal` with fields below `at`."""
    if not isinstance(given, Mapping) or set(given) != set(made.secrets):
        raise _refusal({at: [f"Must be an object with {' and '.join(made.secrets)}."]})
    return _masked(made, _checked(made, {**params, **given}, now, at))


def _masked(made: CommandType, values: Mapping[str, object]) -> Request:
    secrets = {name: str(values[name]) for name in made.secrets}
    return Request(made, {**values, **dict.fromkeys(secrets, MASK)}, secrets)


def _checked(made: CommandType, params: object, now: datetime, at: str) -> Mapping[str, object]:
    if made.pairs is not None:
        return _paired(made.pairs, params, now, at)
    if not isinstance(params, Mapping):
        raise _refusal({at: ["Must be an object."]})
    names = [field.name for field in made.fields]
    wrong = {f"{at}.{_shown(name)}": ["There is no such field."] for name in params if name not in names}
    values: dict[str, object] = {}
    for one in made.fields:
        try:
            if one.name not in params:
                raise Invalid("This field is needed.")
            values[one.name] = one.check(params[one.name], now)
        except Invalid as invalid:
            wrong[f"{at}.{one.name}"] = [invalid.reason]
    if wrong:
        raise _refusal(wrong)
    return _together(made, values, at)


def _shown(name: object) -> str:
    """A name that somebody made up, so that it can be sent back: JSON may hold what UTF-8 cannot."""
    return str(name)[:64].encode(errors="backslashreplace").decode()


def _paired(check: Check, params: object, now: datetime, at: str) -> Mapping[str, object]:
    try:
        checked = check(params, now)
    except Invalid as invalid:
        raise _refusal({at: [invalid.reason]}) from None
    assert isinstance(checked, Mapping)
    return checked


def _together(made: CommandType, values: Mapping[str, object], at: str) -> Mapping[str, object]:
    if made.together is None:
        return values
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    try:
        return {**values, **made.together(texts)}
    except checks.Mismatch as mismatch:
        raise _refusal({f"{at}.{mismatch.field}": [mismatch.reason]}) from None


def _refusal(errors: Mapping[str, list[str]]) -> Refusal:
    field, reasons = next(iter(errors.items()))
    return Refusal("INVALID", f"{field}: {reasons[0]}", errors)
