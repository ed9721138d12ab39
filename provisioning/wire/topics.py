"""Topics are made and read here and nowhere else (WIRE.md 1.2).

`root` is the setting of WIRE.md 1.6: without wildcards, without a slash at either end.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, cast
from uuid import UUID

from provisioning.wire.errors import Unroutable

Verb = Literal["get", "results"]

# WIRE.md 1.1: one spelling of a device id only, so that an ACL on the name and the parser agree.
# The format is any sane token: codec.named refuses the unknown ones, and the refusal has a topic to go to.
_UP: Final = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/([a-z0-9]{1,16})/(get|results)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Which device sent a message, in which format, and what it wants. The format may be unknown."""

    device_id: str
    format: str
    verb: Verb


def parse(topic: str, root: str) -> Address:
    """Read the topic of a message from a device; raises Unroutable where it is none of ours."""
    match = _UP.fullmatch(topic, len(root) + 1) if topic.startswith(f"{root}/") else None
    if match is None:
        raise Unroutable("The topic is not <root>/<device id>/<format>/get or /results.")
    device_id, format, verb = match.groups()
    return Address(device_id=device_id, format=format, verb=cast("Verb", verb))


def commands(root: str, device_id: str | UUID, format: str) -> str:
    """Where a `get` is answered."""
    return f"{root}/{device_id}/{format}/commands"


def accepted(root: str, device_id: str | UUID, format: str) -> str:
    """Where stored `results` are answered."""
    return f"{root}/{device_id}/{format}/accepted"


def rejected(root: str, device_id: str | UUID, format: str) -> str:
    """Where a refused message is answered, also when its format is unknown."""
    return f"{root}/{device_id}/{format}/rejected"


def notify(root: str, device_id: str | UUID) -> str:
    """Where a device hears that there is work; no format, always JSON (WIRE.md 5.1)."""
    return f"{root}/{device_id}/notify"


def subscriptions(root: str) -> tuple[str, ...]:
    """The filters by which a gateway gets all that devices send."""
    return (f"{root}/+/+/get", f"{root}/+/+/results")
