"""On RabbitMQ that asks us a device comes in as itself, and says and hears its own only: WIRE.md 1.3, 1.7."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from uuid import uuid4

import amqp
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.mosquitto.clients import Session, refused
from tests.pipeline import cast
from tests.rabbitmq.conftest import FILTERS, PASSWORD, Installation, Owned
from tests.servers import ports

ROOT = cast.ROOT


@pytest.fixture(scope="module", autouse=True)
def two(installation: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[list[Owned]]:
    with django_db_blocker.unblock():
        yield [installation.device() for _ in range(2)]
        cast.owner().delete()
        connection.close()


@pytest.fixture
def healthy(two: list[Owned]) -> Owned:
    return two[0]


@pytest.fixture
def neighbour(two: list[Owned]) -> Owned:
    return two[1]


@pytest.fixture
def service(installation: Installation) -> Iterator[Session]:
    """Hears what a gateway hears."""
    with installation.gateway(*FILTERS) as session:
        yield session


# ---- who is let in


def test_only_a_known_device_with_its_password_is_let_in(healthy: Owned, neighbour: Owned) -> None:
    assert healthy.let_in()
    assert not healthy.let_in(password="wrong")
    assert not healthy.let_in(password="")
    assert not healthy.let_in(password=neighbour.password)
    for user in (str(uuid4()), healthy.id.upper(), f"other:{healthy.id}", "gateway"):
        session = Session(healthy.port, user, healthy.password, user, "3.1.1")
        assert not session.open()
        session.close()
    assert refused(healthy.port, None, None, "3.1.1")


def test_its_client_id_is_its_own(healthy: Owned, neighbour: Owned) -> None:
    assert healthy.let_in(client_id=f"{healthy.id}-a")
    with neighbour.signed_in() as session:
        for stolen in (
            neighbour.id,
            f"{neighbour.id}-a",
            "",
            "keyseed-gateway-1",
            f"{healthy.id}-{'x' * 21}",
        ):
            assert not healthy.let_in(client_id=stolen), stolen
        time.sleep(0.2)
        assert session.alive


def test_the_service_has_no_device_s_client_id(installation: Installation, healthy: Owned) -> None:
    with healthy.signed_in() as session:
        thief = Session(healthy.port, "gateway", PASSWORD, healthy.id, "3.1.1")
        assert not thief.open()
        thief.close()
        assert session.alive


def test_a_device_speaks_mqtt_only(installation: Installation, healthy: Owned) -> None:
    broker = installation.broker
    for user, password in ((healthy.id, healthy.password), ("gateway", PASSWORD)):
        with pytest.raises(amqp.AccessRefused):
            amqp.Connection(f"{ports.HOST}:{broker.amqp_port}", user, password).connect()
        pages = HTTPConnection(ports.HOST, broker.api_port)
        who = b64encode(f"{user}:{password}".encode()).decode()
        pages.request("GET", "/api/connections", headers={"Authorization": f"Basic {who}"})
        assert pages.getresponse().status == 401
        pages.close()


# ---- what a device says


def test_it_says_get_and_results_of_its_own_and_nothing_else(
    service: Session, healthy: Owned, neighbour: Owned
) -> None:
    own = [healthy.topic(end) for end in ("json/get", "json/results", "odd/get", "nrf/results")]
    others = [
        neighbour.topic("json/get"),
        neighbour.topic("json/results"),
        neighbour.topic("json/commands"),
        neighbour.topic("notify"),
        healthy.topic("json/commands"),
        healthy.topic("notify"),
        healthy.topic("a/b/get"),
        f"{ROOT}/get",
        f"{ROOT}/*/json/get",
        "elsewhere",
        "$SYS/broker/clients",
    ]
    with neighbour.signed_in(neighbour.topic("#")) as other:
        for topic in others:
            with healthy.signed_in() as session:
                session.client.publish(topic, b"{}", 1)
                assert session.ended(3), topic
        with healthy.signed_in() as session:
            for topic in own:
                session.publish(topic)
        assert service.hears(*own)
        assert set(service.topics()) == set(own)
        assert other.topics() == []


def test_its_will_reaches_nobody_else(service: Session, healthy: Owned, neighbour: Owned) -> None:
    with neighbour.signed_in(neighbour.topic("#")) as hearing:
        for topic in (neighbour.topic("json/commands"), neighbour.topic("json/get")):
            session = Session(healthy.port, healthy.id, healthy.password, healthy.id, "3.1.1")
            session.client.will_set(topic, b"{}", 1)
            assert session.open()
            session.vanish()
            session.close()
        service.publish(neighbour.topic("json/rejected"))
        assert hearing.hears(neighbour.topic("json/rejected"))
        assert hearing.topics() == [neighbour.topic("json/rejected")]
        assert service.topics() == []


def test_no_message_is_kept(installation: Installation, healthy: Owned) -> None:
    with healthy.signed_in() as session:
        session.publish(healthy.topic("json/get"), b"{}", retain=True)
    with installation.gateway(*FILTERS) as later, healthy.signed_in() as session:
        session.publish(healthy.topic("json/results"), b"{}")
        assert later.hears(healthy.topic("json/results"))
        assert later.topics() == [healthy.topic("json/results")]


# ---- what a device hears

FOREIGN = [
    "#",
    "+/#",
    f"{ROOT}/#",
    f"{ROOT}/+/+/commands",
    f"{ROOT}/+/+/get",
    f"{ROOT}/*/*/get",
    "+/+/+/+/+",
    "{other}/#",
    "{other}/json/commands",
    "$share/thief/{own}/#",
    "$share/thief/" + f"{ROOT}/+/+/get",
    "$SYS/#",
    f"{ROOT}/",
    f"{ROOT}",
]


@pytest.mark.parametrize("asked", FOREIGN)
def test_it_hears_its_own_and_nothing_else(
    service: Session, healthy: Owned, neighbour: Owned, asked: str
) -> None:
    filter = asked.format(own=f"{ROOT}/{healthy.id}", other=f"{ROOT}/{neighbour.id}")
    with healthy.signed_in(healthy.topic("#")) as session, neighbour.signed_in(neighbour.topic("#")) as other:
        session.client.subscribe(filter, 1)
        time.sleep(0.1)
        other.publish(neighbour.topic("json/get"))
        for end in ("json/commands", "notify"):
            service.publish(neighbour.topic(end))
        assert other.hears(neighbour.topic("json/commands"), neighbour.topic("notify"))
        assert service.hears(neighbour.topic("json/get"))
        if session.alive:
            service.publish(healthy.topic("notify"))
            assert session.hears(healthy.topic("notify"))
        assert [topic for topic in session.topics() if not topic.startswith(f"{ROOT}/{healthy.id}/")] == []


def test_it_hears_its_own(service: Session, healthy: Owned) -> None:
    ends = ("json/commands", "json/accepted", "json/rejected", "notify", "nrf/commands")
    with healthy.signed_in(healthy.topic("#")) as session:
        for end in ends:
            service.publish(healthy.topic(end))
        assert session.hears(*map(healthy.topic, ends))


def test_the_service_hears_what_devices_send_and_no_more(installation: Installation, healthy: Owned) -> None:
    with healthy.signed_in(healthy.topic("#")) as hearing, installation.gateway(*FILTERS) as session:
        session.client.subscribe([(f"{ROOT}/#", 1), (healthy.topic("#"), 1)])
        time.sleep(0.1)
        if session.alive:
            session.publish(healthy.topic("notify"))
            assert hearing.hears(healthy.topic("notify"))
        assert session.topics() == []
    with installation.gateway() as session:
        session.client.publish("elsewhere", b"", 1)
        assert session.ended(3)
