"""Fields of a device in the texts of a rule's commands, such as `{{device.id}}`. Pure.

They stand in values only: in no secret, and in no name of a `config` pair. Source: API.md "Rules and tags".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from commands.catalogue import TYPES, CommandType
from pki.errors import Invalid
from tenants.errors import Refusal

Values = Mapping[str, str]
"""What is filled in, by the name between the braces."""

SAMPLE: Values = {
    "device.id": "3fb0a2c5-7a34-4c61-9d0e-5a1c9c0f2b77",
    "device.name": "pump 17",
    "device.serialNumber": "SN-17",
    "device.imei": "352656106118683",
    "device.deviceType": "nrf9160_SICA",
    "device.vendorId": "example",
    "device.classId": "pump",
}
"""A device that stands for all of them while a rule is made."""

KNOWN = ", ".join(f"{{{{{name}}}}}" for name in SAMPLE)

_BRACES = re.compile(r"\{\{(?:([^{}]{0,40})\}\})?")
_UNFIT: Mapping[str, str] = {"attributes": ",;+\\"}
"""By field, letters that would let a device's own value begin another name of a subject."""


def used(text: object) -> bool:
    """Whether something is to be filled in there."""
    return isinstance(text, str) and "{{" in text


def fill(request: object, values: Values) -> object:
    """The request with `values` in its texts. What is no request stays as it is, for `catalogue.check` to refuse.

    Raises `Refusal` INVALID that names each field with unknown or broken braces, or a value that cannot stand there.
    """
    if not isinstance(request, Mapping) or len(request) != 1:
        return request
    ((name, params),) = request.items()
    made = TYPES.get(name)
    if made is None or not isinstance(params, Mapping):
        return request
    filled, wrong = dict[object, object](), dict[str, list[str]]()
    for field, text in params.items():
        try:
            filled[field] = _filled(str(text), values, field) if _open(made, field, text) else text
        except Invalid as invalid:
            wrong[f"request.{made.name}.{str(field)[:64]}"] = [invalid.reason]
    if wrong:
        at, reasons = next(iter(wrong.items()))
        raise Refusal("INVALID", f"{at}: {reasons[0]}", wrong)
    return {name: filled}


def unfilled(
    made: CommandType, given: Mapping[str, object], checked: Mapping[str, object]
) -> dict[str, object]:
    """The params to store: as `checked`, with the texts of `given` where something is to be filled in."""
    return {name: given[name] if _open(made, name, given[name]) else value for name, value in checked.items()}


def fixed(made: CommandType, params: Mapping[str, object]) -> bool:
    """Whether nothing is to be filled in."""
    return not any(_open(made, name, text) for name, text in params.items())


def _open(made: CommandType, field: object, text: object) -> bool:
    return field not in made.secrets and used(text)


def _filled(text: str, values: Values, field: object) -> str:
    # In one pass: what a device's owner wrote into its name is filled in and not looked at again.
    return _BRACES.sub(lambda found: _value(found[1], values, _UNFIT.get(str(field), "")), text)


def _value(name: str | None, values: Values, forbidden: str) -> str:
    if name is None or name not in values:
        raise Invalid(f"After {{{{ one of these must be named, and closed: {KNOWN}.")
    value = values[name]
    if unfit := [letter for letter in forbidden if letter in value]:
        raise Invalid(f"{name} is {value!r} and must not hold {unfit[0]} here.")
    return value
