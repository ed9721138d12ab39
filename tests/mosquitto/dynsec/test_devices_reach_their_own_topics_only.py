"""What holds with Mosquitto's files holds with its dynamic security plugin; who subscribes is checked here as well."""

from __future__ import annotations

import time

import pytest

from tests.mosquitto.clients import Session, signed_in
from tests.mosquitto.conftest import PASSWORD, SERVICE, Installation, Owned
from tests.mosquitto.test_devices_reach_their_own_topics_only import *  # noqa: F403 - the same tests, another broker

GROUP = "keyseed-gateways"
MESSAGES = 200


@pytest.mark.parametrize("filter", ["$share/{group}/{root}/+/+/get", "$share/{group}/{root}/{own}/#"])
def test_who_joins_the_gateways_group_takes_nothing_from_it(
    installation: Installation, healthy: Owned, neighbour: Owned, filter: str
) -> None:
    root = "prov/v1"
    joined = filter.format(group=GROUP, root=root, own=healthy.id)
    port = installation.broker.ports[SERVICE]
    shared = f"$share/{GROUP}/{root}/+/+/get"
    with (
        healthy.signed_in(joined) as thief,
        signed_in(port, "gateway", PASSWORD, "keyseed-gateway-1", filters=[shared]) as gateway,
        neighbour.signed_in() as other,
    ):
        for number in range(MESSAGES):
            other.publish(neighbour.topic("json/get"), b"%d" % number)
        assert _numbers(gateway) == list(range(MESSAGES))
        assert thief.topics() == []


def _numbers(session: Session) -> list[int]:
    deadline = time.monotonic() + 5
    while len(session.heard) < MESSAGES and time.monotonic() < deadline:
        time.sleep(0.01)
    return sorted(int(payload) for _, payload in session.heard)


def test_a_device_cannot_change_who_may_sign_in(service: Session, healthy: Owned, neighbour: Owned) -> None:
    control = "$CONTROL/dynamic-security/v1"
    asks = [
        b'{"command":"listClients"}',
        b'{"command":"deleteClient","username":"%s"}' % neighbour.id.encode(),
    ]
    for version in ("5", "3.1.1"):
        for ask in asks:
            # Mosquitto may end the session of who says what it may not.
            with healthy.signed_in(f"{control}/response", "$CONTROL/#", version=version) as session:
                session.publish(control, b'{"commands":[%s]}' % ask)
                time.sleep(0.2)
                assert session.topics() == []
    with neighbour.signed_in() as still:
        assert still.alive


def test_nor_can_the_gateways_account(installation: Installation, healthy: Owned) -> None:
    """Only the admin of KEYSEED_MOSQUITTO_DYNSEC may: the gateway and the workers hold no such connection."""
    command = b'{"commands":[{"command":"deleteClient","username":"%s"}]}' % healthy.id.encode()
    with installation.gateway() as session:
        session.publish("$CONTROL/dynamic-security/v1", command)
    with healthy.signed_in() as still:
        assert still.alive
