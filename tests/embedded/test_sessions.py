"""One client id, one session; a block or a new password ends the sessions there are."""

import time
from contextlib import ExitStack

import pytest

from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.limits import Limits
from tests.embedded import raw
from tests.embedded.people import (
    HEALTHY,
    NEIGHBOUR,
    PASSWORD,
    SLOW,
    Paho,
    device,
    gateway,
    listening,
    new_broker,
    topic,
)
from tests.embedded.raw import Raw


def hears(port: int, client: Raw, device_id: str = HEALTHY) -> bool:
    with gateway(port) as service:
        service.client.publish(topic(device_id, "json/commands"), b"work", qos=1)
        answer = client.answer()
        return answer is not None and answer.endswith(b"work")


def test_signing_in_again_ends_the_old_session_and_the_new_one_works(port: int) -> None:
    with listening(port) as old, listening(port) as new:
        assert old.answer() is None
        assert hears(port, new)


def test_a_device_that_comes_back_again_and_again_without_leaving_ends_with_one_session_that_works(
    port: int,
) -> None:
    with ExitStack() as half_open:
        connect = raw.connect(HEALTHY, HEALTHY, PASSWORD)
        attempts = [half_open.enter_context(Raw(port, connect)) for _ in range(30)]
        last = half_open.enter_context(listening(port))
        for attempt in attempts:
            assert attempt.seconds_until_closed() < 2
        assert hears(port, last)


def test_the_end_of_the_old_session_leaves_the_new_one_alone(port: int) -> None:
    """amqtt strikes sessions out by client id a second after they ended, whoever has it by then."""
    with listening(port) as old:
        old.send(raw.packet(0xE0))
    with listening(port) as new:
        time.sleep(1.5)
        assert hears(port, new)


def test_a_device_may_have_two_sessions_by_two_client_ids(port: int) -> None:
    with listening(port, suffix="-a") as one, listening(port, suffix="-b") as other, gateway(port) as service:
        service.client.publish(topic(HEALTHY, "json/commands"), b"both", qos=1)
        for client in (one, other):
            answer = client.answer()
            assert answer is not None
            assert answer.endswith(b"both")


def test_the_oldest_session_of_a_device_goes_when_there_are_too_many(port: int) -> None:
    clients = [listening(port, suffix=f"-{number}") for number in range(9)]
    assert clients[0].answer() is None
    assert hears(port, clients[1])
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize("password", ["wrong", PASSWORD])
def test_nobody_ends_a_session_without_its_password(port: int, password: str) -> None:
    with listening(port) as session:
        for user in (HEALTHY, NEIGHBOUR) if password == "wrong" else (NEIGHBOUR,):
            with Raw(port, raw.connect(HEALTHY, user, password)) as thief:
                assert thief.answer() != bytes([raw.CONNACK, 0, 0])
        assert hears(port, session)


def test_a_kick_ends_all_sessions_of_a_device_and_of_no_other(broker: EmbeddedBroker) -> None:
    port = broker.port
    with (
        listening(port) as plain,
        listening(port, suffix="-a") as other,
        listening(port, NEIGHBOUR) as neighbour,
    ):
        broker.kick(HEALTHY)
        assert plain.seconds_until_closed() < 2
        assert other.seconds_until_closed() < 2
        assert hears(port, neighbour, NEIGHBOUR)


def test_a_kicked_client_notices(broker: EmbeddedBroker) -> None:
    with Paho(broker.port, HEALTHY, PASSWORD) as client:
        broker.kick(HEALTHY)
        assert client.gone.wait(2)


def test_a_kick_reaches_a_device_that_is_signing_in(broker: EmbeddedBroker) -> None:
    """What the look-up found was true before the kick."""
    with Raw(broker.port, raw.connect(SLOW, SLOW, PASSWORD)) as client:
        time.sleep(0.3)
        broker.kick(SLOW)
        assert client.answer() is None


def test_a_kicked_device_may_sign_in_again(broker: EmbeddedBroker) -> None:
    with device(broker.port) as client:
        broker.kick(HEALTHY)
        assert client.answer() is None
    with listening(broker.port) as again:
        assert hears(broker.port, again)


def test_a_kick_of_nobody_does_nothing(broker: EmbeddedBroker) -> None:
    broker.kick("a5f1c2d3-0000-4000-8000-000000000000")
    with device(broker.port):
        pass


def test_a_client_that_is_silent_for_longer_than_its_keep_alive_is_gone(port: int) -> None:
    with device(port, keep_alive=1) as silent, device(port, NEIGHBOUR, keep_alive=0) as trusted:
        assert 1.2 < silent.seconds_until_closed() < 2.5
        trusted.send(raw.packet(0xC0))
        assert trusted.answer() == bytes([raw.PINGRESP])


def test_a_client_that_pings_stays(port: int) -> None:
    with device(port, keep_alive=1) as client:
        for _ in range(4):
            time.sleep(0.5)
            client.send(raw.packet(0xC0))
            assert client.answer() == bytes([raw.PINGRESP])


def test_a_client_that_sends_no_connect_is_turned_out() -> None:
    broker = new_broker(Limits(connect_seconds=0.3))
    try:
        with (
            Raw(broker.port) as silent,
            Raw(broker.port, b"\x10") as begun,
            Raw(broker.port, b"\x10\x40\0\4MQ") as further,
        ):
            for client in (silent, begun, further):
                assert client.seconds_until_closed() < 2
    finally:
        broker.stop()
