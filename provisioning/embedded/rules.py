"""Who may connect to the embedded broker and reach what (WIRE.md 1.3, 1.7). Pure: no I/O."""

import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from provisioning.embedded.packets import Connect

# CONNACK return codes, MQTT 3.1.1 section 3.2.2.3.
ACCEPTED: Final = 0x00
UNACCEPTABLE_VERSION: Final = 0x01
IDENTIFIER_REJECTED: Final = 0x02
UNAVAILABLE: Final = 0x03
NOT_AUTHORIZED: Final = 0x05

_DEVICE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Any format token, so that the service itself can answer UNSUPPORTED_FORMAT (WIRE.md 4.1).
_UP = re.compile(r"[a-z0-9]{1,16}/(?:get|results)")
_SUFFIX_LENGTH = 20
_SERVICE_CLIENT_ID_LENGTH = 128


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The one account of the gateway and the publisher.

    Raises ValueError when the name or the password is empty, or when the name could be a device's.
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.user or not self.password:
            raise ValueError("the service account needs a user name and a password")
        if is_device_id(self.user):
            raise ValueError("the service account's user name reads like a device id; choose another")


@dataclass(frozen=True, slots=True)
class Device:
    """A device, by its canonical id (WIRE.md 1.1)."""

    id: str


Identity = Device | ServiceAccount


@dataclass(frozen=True, slots=True)
class Admission:
    """A device's password was right. `seconds` is for how long the session may last, None: without end."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A CONNECT that is not accepted: the CONNACK return code, and for the log the reason."""

    code: int
    reason: str


def check_root(root: str) -> None:
    """Pass a topic root that subscriptions can be held under. Raises ValueError."""
    levels = root.split("/")
    if not all(levels) or root.startswith("$") or any(character in root for character in "+#\0"):
        raise ValueError(f"topic root {root!r}: levels that are not empty, without +, #, NUL or a leading $")


def is_device_id(text: str) -> bool:
    """Whether this is a device id as WIRE.md 1.1 writes it: a UUID, lower case, dashed."""
    return _DEVICE_ID.fullmatch(text) is not None


def client_id_allowed(device_id: str, client_id: str) -> bool:
    """WIRE.md 1.7: the device id, or the device id, `-` and 1 to 20 characters of the device's choice."""
    if client_id == device_id:
        return True
    suffix = client_id.removeprefix(f"{device_id}-")
    return suffix != client_id and 1 <= len(suffix) <= _SUFFIX_LENGTH and suffix.isprintable()


def service_client_id_allowed(client_id: str) -> bool:
    """Whether the service may use this client id: none that could be the key to a device's session."""
    return len(client_id) <= _SERVICE_CLIENT_ID_LENGTH and _DEVICE_ID.match(client_id) is None


def identify(connect: Connect, service: ServiceAccount) -> Identity | Refusal:
    """Who a CONNECT says it is. A device's password is yet to be looked up; the service's was right."""
    if connect.will:
        return Refusal(NOT_AUTHORIZED, "a will; connect without one")
    if not connect.clean_session:
        return Refusal(NOT_AUTHORIZED, "a persistent session; connect with the clean session flag")
    if connect.user is None or not connect.password:
        return Refusal(NOT_AUTHORIZED, "no user name or no password")
    if connect.user == service.user:
        return _identify_service(connect.client_id, connect.password, service)
    if not is_device_id(connect.user):
        return Refusal(NOT_AUTHORIZED, "the user name is not a device id (a lower-case, dashed UUID)")
    if not client_id_allowed(connect.user, connect.client_id):
        return Refusal(
            IDENTIFIER_REJECTED, "the client id is neither the device id nor that, `-` and 1 to 20 characters"
        )
    return Device(connect.user)


def _identify_service(client_id: str, password: str, service: ServiceAccount) -> ServiceAccount | Refusal:
    if not hmac.compare_digest(password.encode(), service.password.encode()):
        return Refusal(NOT_AUTHORIZED, "the service account's password is another")
    if not service_client_id_allowed(client_id):
        return Refusal(IDENTIFIER_REJECTED, "the client id starts like a device's or is over 128 characters")
    return service


def device_of(topic: str, root: str) -> str | None:
    """The device a topic belongs to: `root/{id}/...`, or None for a topic of no device."""
    rest = topic.removeprefix(f"{root}/")
    if rest == topic:
        return None
    device_id, slash, below = rest.partition("/")
    return device_id if slash and below and is_device_id(device_id) else None


def may_publish(device_id: str, topic: str, root: str) -> bool:
    """WIRE.md 1.3: a device sends `root/{id}/{format}/get` and `/results`, and nothing else."""
    up = topic.removeprefix(f"{root}/{device_id}/")
    return up != topic and _UP.fullmatch(up) is not None


def may_subscribe(device_id: str, topic_filter: str, root: str) -> bool:
    """WIRE.md 1.3: a device subscribes below `root/{id}/`; no wildcard ahead of it, no `$share` or `$SYS`."""
    return _is_below(f"{root}/{device_id}/", topic_filter)


def service_may_publish(topic: str, root: str) -> bool:
    """The service sends to any device, and only to devices."""
    return device_of(topic, root) is not None


def service_may_subscribe(topic_filter: str, root: str) -> bool:
    """The service hears anything below the root; not by `$share`, which amqtt grants and never serves."""
    return _is_below(f"{root}/", topic_filter)


def publish_allowed(identity: Identity, topic: str, root: str) -> bool:
    """Whether this client may send to this topic."""
    if isinstance(identity, Device):
        return may_publish(identity.id, topic, root)
    return service_may_publish(topic, root)


def subscribe_allowed(identity: Identity, topic_filter: str, root: str) -> bool:
    """Whether this client may hold this subscription."""
    if isinstance(identity, Device):
        return may_subscribe(identity.id, topic_filter, root)
    return service_may_subscribe(topic_filter, root)


def _is_below(prefix: str, topic_filter: str) -> bool:
    return topic_filter.startswith(prefix) and topic_filter != prefix and well_formed(topic_filter)


def well_formed(topic_filter: str) -> bool:
    """MQTT 3.1.1 section 4.7.1: `+` fills its level, `#` fills the last one."""
    levels = topic_filter.split("/")
    return (
        all(level in ("+", "#") or not ("+" in level or "#" in level) for level in levels)
        and "#" not in levels[:-1]
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a well-formed filter takes a topic, MQTT 3.1.1 section 4.7."""
    if topic_filter == topic:
        return True
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )
