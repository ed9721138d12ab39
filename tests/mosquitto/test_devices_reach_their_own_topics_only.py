"""On the shipped mosquitto.conf and our files a device says and hears its own only: WIRE.md 1.3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.mosquitto.clients import Session, refused
from tests.mosquitto.conftest import PASSWORD, SERVICE, Installation, Owned
from tests.pipeline import cast

ROOT = "prov/v1"


@pytest.fixture(scope="module", autouse=True)
def two(installation: Installation, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> list[Owned]:
    """They are in the files for all of these tests, which need no database any more."""
    with django_db_blocker.unblock():
        found = [installation.device() for _ in range(2)]
        installation.fill()
        cast.owner().delete()
        connection.close()
    return found


@pytest.fixture
def healthy(two: list[Owned]) -> Owned:
    return two[0]


@pytest.fixture
def neighbour(two: list[Owned]) -> Owned:
    return two[1]


@pytest.fixture
def service(installation: Installation) -> Iterator[Session]:
    """Hears all below the root, as the gateway does and more."""
    with installation.gateway(f"{ROOT}/#") as session:
        yield session


def settled(session: Session, own: Owned, sender: Session) -> list[str]:
    """What it heard, once a last message of its own has come after all the rest."""
    last = own.topic("json/accepted")
    sender.publish(last)
    assert session.hears(last)
    return [topic for topic in session.topics() if topic != last]


# ---- who is let in


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_only_a_known_user_with_its_password_is_let_in(
    installation: Installation, healthy: Owned, neighbour: Owned, version: str
) -> None:
    port = installation.port
    assert refused(port, healthy.id, "wrong", version)
    assert refused(port, healthy.id, "", version)
    assert refused(port, healthy.id, neighbour.password, version)
    assert refused(port, healthy.id, healthy.password.upper(), version)
    assert refused(port, str(uuid4()), healthy.password, version)
    assert refused(port, healthy.id.upper(), healthy.password, version)
    assert refused(port, None, None, version)
    assert refused(port, "gateway", "gateway", version)
    with healthy.signed_in(version=version) as session:
        assert session.alive


def test_nobody_is_let_in_at_the_service_listener_without_a_password(installation: Installation) -> None:
    port = installation.broker.ports[SERVICE]
    assert refused(port, None, None)
    assert refused(port, "gateway", "wrong")
    assert not refused(port, "gateway", PASSWORD)


# ---- what a device says


def test_it_says_get_and_results_of_its_own_and_nothing_else(
    service: Session, healthy: Owned, neighbour: Owned
) -> None:
    own = [healthy.topic(end) for end in ("json/get", "json/results", "cbor/get", "nrf/results")]
    others = [
        neighbour.topic("json/get"),
        neighbour.topic("json/results"),
        neighbour.topic("json/commands"),
        neighbour.topic("notify"),
        healthy.topic("json/commands"),
        healthy.topic("json/accepted"),
        healthy.topic("json/rejected"),
        healthy.topic("notify"),
        healthy.topic("get"),
        healthy.topic("a/b/get"),
        healthy.topic("json/get/more"),
        f"{ROOT}/get",
        f"{ROOT}//json/get",
        f"{ROOT}/{healthy.id}",
        f"{ROOT}/{healthy.id}/../{neighbour.id}/get",
        "elsewhere",
        "$SYS/broker/clients",
    ]
    for version in ("5", "3.1.1"):
        for topic in [*others, *own]:
            for qos in (0, 1):
                # Mosquitto may end the session of who says what it may not.
                with healthy.signed_in(version=version) as session:
                    session.publish(topic, qos=qos)
    assert service.hears(*own)
    assert set(service.topics()) == set(own)


def test_its_will_reaches_nobody_else(service: Session, healthy: Owned, neighbour: Owned) -> None:
    with neighbour.signed_in(neighbour.topic("#")) as hearing:
        for topic in (neighbour.topic("json/commands"), neighbour.topic("json/get")):
            session = Session(healthy.port, healthy.id, healthy.password)
            session.client.will_set(topic, b"{}", 1)
            assert session.open()
            session.vanish()
        service.publish(neighbour.topic("json/rejected"))
        assert hearing.hears(neighbour.topic("json/rejected"))
        assert hearing.topics() == [neighbour.topic("json/rejected")]
        assert service.topics() == [neighbour.topic("json/rejected")]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_it_leaves_no_retained_message_behind(
    installation: Installation, service: Session, healthy: Owned, version: str
) -> None:
    with healthy.signed_in(version=version) as session:
        session.publish(healthy.topic("json/get"), b"stays", 0, retain=True)
        assert session.ended(5), "Mosquitto ends it"
    with installation.gateway(f"{ROOT}/#") as later:
        later.publish(f"{ROOT}/last")
        assert later.hears(f"{ROOT}/last")
        assert later.topics() == [f"{ROOT}/last"]


# ---- what a device hears

FILTERS = [
    ["#"],
    ["+/#"],
    [f"{ROOT}/#"],
    [f"{ROOT}/+/+/commands", f"{ROOT}/+/+/get", f"{ROOT}/+/notify"],
    ["+/+/+/+/+", "+/+/+/+"],
    ["{own}/#", "{other}/#", "{other}/json/commands", "{other}/notify", "{other}/json/get"],
    ["$share/thief/{other}/#", "$share/thief/{own}/#"],
    ["$share/thief/#"],
    ["$SYS/#", "{own}/#"],
]


@pytest.mark.parametrize("filters", FILTERS, ids=" ".join)
def test_it_hears_its_own_and_nothing_else(
    service: Session, healthy: Owned, neighbour: Owned, filters: list[str]
) -> None:
    """Whatever it asks for: Mosquitto grants a subscription and looks at each message."""
    asked = [one.format(own=f"{ROOT}/{healthy.id}", other=f"{ROOT}/{neighbour.id}") for one in filters]
    for version in ("5", "3.1.1"):
        with (
            healthy.signed_in(healthy.topic("json/accepted"), *asked, version=version) as session,
            neighbour.signed_in(neighbour.topic("#")) as other,
        ):
            other.publish(neighbour.topic("json/get"))
            for end in ("json/commands", "notify", "json/rejected"):
                service.publish(neighbour.topic(end))
            assert other.hears(
                *(neighbour.topic(end) for end in ("json/commands", "notify", "json/rejected"))
            )
            heard = settled(session, healthy, service)
            assert [topic for topic in heard if not topic.startswith(f"{ROOT}/{healthy.id}/")] == []


def test_it_hears_its_own(service: Session, healthy: Owned) -> None:
    ends = ("json/commands", "json/accepted", "json/rejected", "notify", "nrf/commands")
    for version in ("5", "3.1.1"):
        with healthy.signed_in(healthy.topic("#"), version=version) as session:
            for end in ends:
                service.publish(healthy.topic(end))
            assert session.hears(*map(healthy.topic, ends))


@pytest.mark.parametrize("filter", ["$share/thief/{root}/+/+/get", "$share/thief/{root}/#", "$share/thief/#"])
def test_it_takes_no_message_from_the_gateway(
    service: Session, healthy: Owned, neighbour: Owned, filter: str
) -> None:
    """A single gateway subscribes plainly; a group's name must be a secret (system check W001)."""
    with healthy.signed_in(filter.format(root=ROOT)) as thief, neighbour.signed_in() as other:
        for number in range(20):
            other.publish(neighbour.topic("json/get"), b"%d" % number)
        assert service.hears(neighbour.topic("json/get"))
        deadline = time.monotonic() + 5
        while len(service.heard) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sorted(int(payload) for _, payload in service.heard) == list(range(20))
        assert thief.topics() == []


# ---- whose session it is


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_nobody_ends_another_ones_session_by_its_client_id(
    service: Session, healthy: Owned, neighbour: Owned, version: str
) -> None:
    with healthy.signed_in(healthy.topic("#"), client_id=healthy.id, version=version) as session:
        for stolen in (healthy.id, f"{healthy.id}-2", ""):
            filters = (healthy.topic("#"), neighbour.topic("json/accepted"))
            with neighbour.signed_in(*filters, client_id=stolen, version=version) as thief:
                service.publish(healthy.topic("notify"))
                assert settled(thief, neighbour, service) == []
        assert session.hears(healthy.topic("notify"))
        assert session.alive


def test_a_gateways_session_is_not_ended_by_its_client_id(installation: Installation, healthy: Owned) -> None:
    with installation.gateway(f"{ROOT}/#") as gateway:
        with healthy.signed_in(client_id=gateway.client_id) as session:
            session.publish(healthy.topic("json/get"))
            assert gateway.hears(healthy.topic("json/get"))
        assert gateway.alive
