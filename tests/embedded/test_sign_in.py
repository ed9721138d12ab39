"""Who gets in, and what the others are told."""

import time

import paho.mqtt.client as mqtt
import pytest

from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.limits import Limits
from provisioning.embedded.rules import Admission
from tests.embedded import raw
from tests.embedded.people import (
    BLOCKED,
    BRIEF,
    BROKEN,
    GATEWAY,
    HEALTHY,
    NEIGHBOUR,
    PASSWORD,
    ROOT,
    SLOW,
    Paho,
    device,
    new_broker,
)
from tests.embedded.raw import Raw

ACCEPTED, VERSION, CLIENT_ID, UNAVAILABLE, NOT_AUTHORIZED = 0, 1, 2, 3, 5
WILL = raw.text("topic") + raw.text("message")


def code(port: int, connect: bytes) -> int | None:
    """What CONNECT is answered with; a refusal must be followed by the end of the connection."""
    with Raw(port, connect) as client:
        answer = client.answer()
        if answer is None:
            return None
        assert answer[:2] == bytes([raw.CONNACK, 0])
        if answer[2]:
            assert client.answer() is None
        return answer[2]


@pytest.mark.parametrize("client_id", [HEALTHY, HEALTHY + "-a", HEALTHY + "-" + "z" * 20])
def test_a_device_signs_in_with_its_id_and_password(port: int, client_id: str) -> None:
    assert code(port, raw.connect(client_id, HEALTHY, PASSWORD)) == ACCEPTED


@pytest.mark.parametrize("client_id", ["gateway", "", "anything"])
def test_the_service_signs_in(port: int, client_id: str) -> None:
    assert code(port, raw.connect(client_id, GATEWAY.user, GATEWAY.password)) == ACCEPTED


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (None, None),
        (HEALTHY, None),
        (HEALTHY, ""),
        (HEALTHY, "wrong"),
        (HEALTHY, GATEWAY.password),
        (BLOCKED, PASSWORD),
        (HEALTHY.upper(), PASSWORD),
        (HEALTHY.replace("-", ""), PASSWORD),
        ("", PASSWORD),
        ("admin", PASSWORD),
        (GATEWAY.user, "wrong"),
        (GATEWAY.user, PASSWORD),
        (GATEWAY.user, None),
    ],
)
def test_nobody_else_does(port: int, user: str | None, password: str | None) -> None:
    assert code(port, raw.connect(user or HEALTHY, user, password)) == NOT_AUTHORIZED


@pytest.mark.parametrize(
    "client_id", ["", NEIGHBOUR, NEIGHBOUR + "-a", HEALTHY + "-", HEALTHY + "-" + "z" * 21, "gateway"]
)
def test_a_device_gets_in_by_its_own_client_id_only(port: int, client_id: str) -> None:
    assert code(port, raw.connect(client_id, HEALTHY, PASSWORD)) == CLIENT_ID


@pytest.mark.parametrize("client_id", [HEALTHY, HEALTHY + "-a"])
def test_the_service_does_not_get_in_by_a_device_s_client_id(port: int, client_id: str) -> None:
    assert code(port, raw.connect(client_id, GATEWAY.user, GATEWAY.password)) == CLIENT_ID


@pytest.mark.parametrize(("user", "password"), [(HEALTHY, PASSWORD), (GATEWAY.user, GATEWAY.password)])
def test_a_persistent_session_is_refused(port: int, user: str, password: str) -> None:
    assert code(port, raw.connect(user, user, password, flags=0)) == NOT_AUTHORIZED


@pytest.mark.parametrize(("user", "password"), [(HEALTHY, PASSWORD), (GATEWAY.user, GATEWAY.password)])
def test_a_will_is_refused(port: int, user: str, password: str) -> None:
    assert code(port, raw.connect(user, user, password, flags=0x06, tail=WILL)) == NOT_AUTHORIZED


@pytest.mark.parametrize(("protocol", "level"), [("MQIsdp", 3), ("MQTT", 5), ("MQTT", 9)])
def test_another_version_of_mqtt_is_told_so(port: int, protocol: str, level: int) -> None:
    assert code(port, raw.connect(HEALTHY, HEALTHY, PASSWORD, protocol=protocol, level=level)) == VERSION


def test_a_real_client_of_mqtt_5_learns_that_it_cannot(port: int) -> None:
    with Paho(port, HEALTHY, PASSWORD, version=mqtt.MQTTv5) as client:
        assert client.code != 0


def test_a_look_up_that_fails_refuses_and_asks_to_try_again(port: int) -> None:
    assert code(port, raw.connect(BROKEN, BROKEN, PASSWORD)) == UNAVAILABLE


def test_a_look_up_that_takes_too_long_refuses_and_asks_to_try_again() -> None:
    broker = new_broker(Limits(sign_in_seconds=0.1))
    try:
        assert code(broker.port, raw.connect(SLOW, SLOW, PASSWORD)) == UNAVAILABLE
    finally:
        broker.stop()


def test_a_slow_look_up_stalls_nobody_else(port: int) -> None:
    with device(port) as healthy, Raw(port, raw.connect(SLOW, SLOW, PASSWORD)) as slow:
        began = time.monotonic()
        healthy.send(raw.packet(0xC0))
        assert healthy.answer() == bytes([raw.PINGRESP])
        with device(port, NEIGHBOUR):
            assert time.monotonic() - began < 0.5
        assert slow.answer() == bytes([raw.CONNACK, 0, ACCEPTED])


def test_who_left_while_signing_in_takes_no_session_over(port: int) -> None:
    with device(port, SLOW) as session:
        Raw(port, raw.connect(SLOW, SLOW, PASSWORD)).socket.close()
        time.sleep(1.2)
        session.send(raw.packet(0xC0))
        assert session.answer() == bytes([raw.PINGRESP])


def test_who_left_while_standing_in_line_is_not_looked_up() -> None:
    looked_up: list[str] = []

    def sign_in(device_id: str, _password: str) -> Admission:
        looked_up.append(device_id)
        time.sleep(0.3)
        return Admission()

    broker = EmbeddedBroker("127.0.0.1", 0, ROOT, sign_in, GATEWAY, limits=Limits(sign_in_threads=1))
    broker.start()
    try:
        with Raw(broker.port, raw.connect(HEALTHY, HEALTHY, PASSWORD)) as first:
            time.sleep(0.1)
            for _ in range(5):
                Raw(broker.port, raw.connect(NEIGHBOUR, NEIGHBOUR, PASSWORD)).socket.close()
            assert first.answer() == bytes([raw.CONNACK, 0, ACCEPTED])
            with device(broker.port, BLOCKED):
                assert looked_up == [HEALTHY, BLOCKED]
    finally:
        broker.stop()


def test_a_session_that_a_token_opened_ends_with_it_and_others_stay(port: int) -> None:
    begun = time.monotonic()
    with device(port, BRIEF) as session, device(port) as other:
        assert session.answer() is None
        assert 0.4 < time.monotonic() - begun < 3
        other.send(raw.packet(0xC0))
        assert other.answer() == bytes([raw.PINGRESP])


def test_a_client_beyond_the_limit_of_connections_is_turned_away_and_a_place_that_is_free_taken() -> None:
    broker = new_broker(Limits(connections=2))
    try:
        with device(broker.port), device(broker.port, NEIGHBOUR) as leaving:
            with Raw(broker.port, raw.connect(SLOW, SLOW, PASSWORD)) as third:
                assert third.answer() is None
            leaving.send(raw.packet(0xE0))
            assert leaving.answer() is None
            with device(broker.port, NEIGHBOUR):
                pass
    finally:
        broker.stop()
