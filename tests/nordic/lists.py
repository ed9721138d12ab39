"""What an owner puts on a device: a command of every type, sized for the device it is for."""

from typing import Any

from commands.catalogue import TYPES
from tests.standalone import material
from tests.standalone.fleet import FINISHED, key_generation, preshared

CLOUD, OWN, REQUESTED, TRUSTED, SHARED = 1, 2, 3, 4, 5
PAIRS = {f"app/{number}": f"value {number}" for number in range(25)}

Request = dict[str, Any]


def stored(kind: str, content: str, **more: str) -> Request:
    """A command that writes PEM into the slot `TRUSTED`."""
    return {kind: {"secTag": TRUSTED, "content": content, **more}}


def request(attributes: str = "CN=pump-17,O=Example") -> Request:
    """A command that makes a key and a request for a certificate."""
    fields = {"secTag": REQUESTED, "attributes": attributes, "keyUsage": "101010000"}
    return {"certificateSigningRequest": fields}


def whole() -> list[Request]:
    """Every type there is, `finished` last."""
    commands = [*small(), preshared(SHARED), FINISHED]
    assert {next(iter(one)) for one in commands} == set(TYPES)
    return commands


def small() -> list[Request]:
    """What takes three steps at most, and fits the smallest of Nordic's buffers."""
    return [
        key_generation(OWN),
        {"cloudAccessKeyGeneration": {"secTag": CLOUD}},
        request(),
        stored("serverCertificate", material.ca_pem()),
        stored("clientCertificate", material.leaf_pem()),
        stored("clientPrivateKey", material.encrypted_key_pem(), password=material.PASSWORD),
        {"config": PAIRS},
    ]
