"""Messages flow in order, quickly and within bounds."""

import select
import socket
import statistics
import time

import pytest

from provisioning.embedded.limits import Backlog, Limits
from tests.embedded import raw
from tests.embedded.people import (
    GATEWAY,
    HEALTHY,
    NEIGHBOUR,
    PASSWORD,
    Paho,
    device,
    gateway,
    listening,
    new_broker,
    topic,
)
from tests.embedded.raw import Raw

UP = topic(HEALTHY, "json/get")


def test_messages_of_a_device_arrive_in_order(port: int) -> None:
    with gateway(port) as service, Paho(port, HEALTHY, PASSWORD) as sender:
        for number in range(500):
            sender.client.publish(UP, b"%d" % number, qos=1)
        assert [int(service.next().payload) for _ in range(500)] == list(range(500))


@pytest.mark.parametrize("end", [raw.packet(0xE0), b""], ids=["DISCONNECT", "no DISCONNECT"])
def test_a_message_just_before_the_end_of_the_connection_is_not_lost(port: int, end: bytes) -> None:
    numbers = range(1, 21)
    with gateway(port) as service, device(port) as client:
        client.send(b"".join(raw.publish(UP, b"%d" % number, packet_id=number) for number in numbers) + end)
        client.socket.shutdown(socket.SHUT_WR)
        client.seconds_until_closed()
        assert [int(service.next().payload) for _ in numbers] == list(numbers)


def test_what_follows_a_disconnect_is_not_read(port: int) -> None:
    with gateway(port) as service:
        with device(port) as client:
            client.send(raw.packet(0xE0) + raw.publish(UP, b"late") * 50)
            assert client.answer() is None
        with device(port) as client:
            client.send(raw.publish(UP, b"next"))
            assert service.next().payload == b"next"


def test_a_client_that_does_everything_at_once_is_served(port: int) -> None:
    with gateway(port) as service:
        at_once = raw.connect(HEALTHY, HEALTHY, PASSWORD) + raw.publish(UP, b"all") + raw.packet(0xE0)
        with Raw(port, at_once) as client:
            assert client.answer() == bytes([raw.CONNACK, 0, 0])
            assert client.answer() == bytes([raw.PUBACK, 0, 1])
            assert client.answer() is None
        assert service.next().payload == b"all"


def test_qos_0_stays_qos_0(port: int) -> None:
    with gateway(port) as service, device(port) as sender:
        sender.send(raw.publish(UP, b"zero", flags=0))
        message = service.next()
        assert (message.payload, message.qos) == (b"zero", 0)


def test_a_qos_2_message_is_taken_once_however_often_it_is_sent(port: int) -> None:
    with gateway(port) as service, device(port) as sender:
        for flags in (4, 12):
            sender.send(raw.publish(UP, b"two", packet_id=5, flags=flags))
            assert sender.answer() == bytes([raw.PUBREC, 0, 5])
        for _ in range(2):
            sender.send(raw.packet(0x62, b"\0\5"))
            assert sender.answer() == bytes([raw.PUBCOMP, 0, 5])
        sender.send(raw.publish(UP, b"again", packet_id=5, flags=4))
        assert [service.next().payload for _ in range(2)] == [b"two", b"again"]


def test_a_client_that_never_releases_its_qos_2_messages_is_cut_off(port: int) -> None:
    with device(port) as sender:
        sender.send(b"".join(raw.publish(UP, packet_id=number, flags=4) for number in range(1, 120)))
        assert sender.seconds_until_closed() < 2


def test_messages_that_the_gateway_has_not_acknowledged_do_not_hold_up_others(port: int) -> None:
    with gateway(port, manual_ack=True) as service, Paho(port, HEALTHY, PASSWORD) as sender:
        for number in range(900):
            sender.client.publish(UP, b"%d" % number, qos=1)
        messages = [service.next() for _ in range(900)]
        for message in reversed(messages):
            service.client.ack(message.mid, message.qos)
        sender.client.publish(UP, b"after", qos=1)
        assert service.next().payload == b"after"


def test_what_the_gateway_did_not_acknowledge_is_not_sent_again_to_its_next_session(port: int) -> None:
    with device(port) as sender:
        with gateway(port, manual_ack=True) as service:
            sender.send(raw.publish(UP, b"first"))
            assert service.next().payload == b"first"
        with gateway(port, manual_ack=True) as service:
            sender.send(raw.publish(UP, b"second", packet_id=2))
            assert service.next().payload == b"second"


def test_one_device_cannot_fill_the_queue_of_all() -> None:
    broker = new_broker(Limits(waiting_per_session=10))
    try:
        with gateway(broker.port, manual_ack=True) as service, device(broker.port) as flood:
            flood.send(b"".join(raw.publish(UP, b"flood", packet_id=number) for number in range(1, 31)))
            assert [flood.answer() for _ in range(30)] == [
                bytes([raw.PUBACK, 0, number]) for number in range(1, 31)
            ]
            with device(broker.port, NEIGHBOUR) as neighbour:
                neighbour.send(raw.publish(topic(NEIGHBOUR, "json/get"), b"mine"))
                heard = [service.next() for _ in range(11)]
                assert [message.payload for message in heard] == [b"flood"] * 10 + [b"mine"]
                for message in heard:
                    service.client.ack(message.mid, message.qos)
                time.sleep(0.1)
                flood.send(raw.publish(UP, b"again"))
                assert service.next().payload == b"again"
    finally:
        broker.stop()


def test_what_waited_for_a_gateway_that_left_holds_up_nobody() -> None:
    broker = new_broker(Limits(waiting_per_session=3, service=Backlog(2, 100, 1000)))
    try:
        with device(broker.port) as sender:
            for _ in range(2):
                with gateway(broker.port, manual_ack=True) as service:
                    sender.send(b"".join(raw.publish(UP, packet_id=number) for number in (1, 2, 3)))
                    assert [sender.answer() for _ in range(3)][2] == bytes([raw.PUBACK, 0, 3])
                    assert [service.next().mid for _ in range(2)] == [1, 2]
    finally:
        broker.stop()


def test_a_service_that_acknowledges_nothing_gets_so_much_in_order_and_the_rest_is_dropped() -> None:
    broker = new_broker(Limits(service=Backlog(in_flight=5, queued=5, queued_bytes=1000)))
    try:
        with gateway(broker.port, manual_ack=True) as service, device(broker.port) as sender:
            for number in range(1, 21):
                sender.send(raw.publish(UP, b"%d" % number, packet_id=number))
                assert sender.answer() == bytes([raw.PUBACK, 0, number])
            heard = []
            for _ in range(10):
                message = service.next()
                heard.append(int(message.payload))
                service.client.ack(message.mid, message.qos)
            assert heard == list(range(1, 11))
            sender.send(raw.publish(UP, b"21", packet_id=21))
            assert service.next().payload == b"21"
    finally:
        broker.stop()


def test_the_queue_is_bounded_in_bytes_too() -> None:
    broker = new_broker(Limits(service=Backlog(in_flight=1, queued=100, queued_bytes=250)))
    try:
        with gateway(broker.port, manual_ack=True) as service, device(broker.port) as sender:
            for _ in range(2):
                for number in range(1, 11):
                    sender.send(raw.publish(UP, bytes(100), packet_id=number))
                    sender.answer()
                for _ in range(3):
                    message = service.next()
                    assert len(message.payload) == 100
                    service.client.ack(message.mid, message.qos)
                sender.send(raw.publish(UP, b"last", packet_id=11))
                message = service.next()
                assert message.payload == b"last"
                service.client.ack(message.mid, message.qos)
    finally:
        broker.stop()


def test_a_device_that_acknowledges_nothing_is_cut_off() -> None:
    broker = new_broker(Limits(device=Backlog(in_flight=2, queued=3, queued_bytes=1000)))
    try:
        with gateway(broker.port) as service, listening(broker.port) as silent:
            for _ in range(6):
                service.client.publish(topic(HEALTHY, "json/commands"), b"x", qos=1)
            assert silent.seconds_until_closed() < 2
    finally:
        broker.stop()


def deaf_device(port: int) -> Raw:
    """A device that sends itself a lot and reads none of it, until the broker takes no more."""
    client = device(port, keep_alive=0)
    client.send(raw.subscribe(topic(HEALTHY, "#")))
    client.answer()
    client.socket.settimeout(0.5)
    assert client.bytes_taken(raw.publish(UP, bytes(100_000), flags=0), 50_000_000) < 50_000_000
    return client


def test_a_client_that_does_not_read_is_not_read_either(port: int) -> None:
    with deaf_device(port), device(port, NEIGHBOUR) as neighbour:
        neighbour.send(raw.packet(0xC0))
        assert neighbour.answer() == bytes([raw.PINGRESP])


def test_a_client_that_does_not_read_for_too_long_is_cut_off() -> None:
    broker = new_broker(Limits(packet_seconds=0.6, linger_seconds=0.2))
    try:
        with deaf_device(broker.port) as client:
            reset = select.poll()
            reset.register(client.socket, 0)
            assert reset.poll(3000)
    finally:
        broker.stop()


def test_messages_go_one_by_one_to_a_client_that_is_behind_with_reading() -> None:
    broker = new_broker(Limits(unsent_bytes=0))
    try:
        with gateway(broker.port) as service, device(broker.port) as sender:
            for number in range(1, 21):
                sender.send(raw.publish(UP, b"%d" % number, packet_id=number))
            assert [int(service.next().payload) for _ in range(20)] == list(range(1, 21))
    finally:
        broker.stop()


def test_an_idle_device_is_echoed_within_milliseconds(port: int) -> None:
    with gateway(port) as service, Paho(port, HEALTHY, PASSWORD, topic(HEALTHY, "+/commands")) as client:
        service.echo(topic(HEALTHY, "json/commands"))
        delays = []
        for _ in range(50):
            time.sleep(0.01)
            began = time.perf_counter()
            client.client.publish(UP, b"x" * 200, qos=1)
            client.next()
            delays.append(time.perf_counter() - began)
        # A polling sleep or Nagle's algorithm would cost every echo 40 ms; a busy machine slows some.
        assert statistics.quantiles(delays)[0] < 0.02


def test_two_services_can_share_the_account(port: int) -> None:
    with (
        gateway(port) as hearing,
        Paho(port, GATEWAY.user, GATEWAY.password, client_id="publisher") as publisher,
    ):
        with listening(port) as client:
            publisher.client.publish(topic(HEALTHY, "json/commands"), b"work", qos=1)
            answer = client.answer()
            assert answer is not None
            assert answer.endswith(b"work")
        assert hearing.heard.empty()
