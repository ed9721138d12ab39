"""Every operation of the OpenAPI document in every role, and every topic, with what belongs to another tenant."""

from contextlib import closing

from provisioning.isolation.api import API
from provisioning.isolation.document import Operation, operations
from provisioning.isolation.walk import allowed
from tests.isolation.conftest import PLATFORM_KEY
from tests.isolation.proof import prove
from tests.standalone.installation import Installation

ROLES = ("viewer", "editor", "admin", "platform", "no key", "revoked", "expired")


def test_nothing_leaks(service: Installation, url: str) -> None:
    ended = prove(
        url, "--all", "--mqtt", f"mqtt://127.0.0.1:{service.mqtt}", KEYSEED_PLATFORM_KEY=PLATFORM_KEY
    )
    assert ended.returncode == 0, (
        "\n".join(
            line for line in ended.stdout.splitlines() if "closed" not in line and "open, as" not in line
        )
        + ended.stderr
    )
    assert "Could not be taken away" not in ended.stdout
    asked = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    with closing(API(url)) as api:
        known = operations(api.made("GET", "/v1/openapi.json", None))
    for one in known:
        for role in ROLES:
            assert any(line.startswith(f"{one.name} {role} ") for line in asked) or _nothing_to_ask(
                one, role
            ), (
                one.name,
                role,
            )
        if one.parameters and one.role and one.role != "platform":
            assert any(line.startswith(f"{one.name} owner foreign ") for line in asked), one.name
            assert any(line.startswith(f"{one.name} owner time ") for line in asked), one.name
    assert sum(line.startswith("MQTT ") for line in asked) > 30


def _nothing_to_ask(one: Operation, role: str) -> bool:
    """A role that may make things makes its own: there is nobody else's in it."""
    return one.method in ("POST", "PATCH") and not one.parameters and allowed(role, one.role)
