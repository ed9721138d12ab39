"""Bytes that are no MQTT end their own connection, and nobody else notices."""

import asyncio
import logging
import operator
import random
import resource
import threading
import time
from concurrent.futures import Future

import pytest

from provisioning.embedded.broker import EmbeddedBroker
from provisioning.embedded.limits import Limits
from tests.embedded import raw
from tests.embedded.people import HEALTHY, NEIGHBOUR, PASSWORD, Paho, device, gateway, new_broker, topic
from tests.embedded.raw import Raw
from tests.embedded.test_packets import BAD

STRANGERS = {
    "TLS": bytes.fromhex("16030100f4010000f00303") + bytes(200),
    "HTTP": b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "a packet before CONNECT": raw.publish("a", b"x"),
    "a ping before CONNECT": raw.packet(0xC0),
    "a remaining length of five bytes": b"\x10\xff\xff\xff\xff\x01",
    "a CONNECT of 17 KiB": b"\x10" + raw.length(17 * 1024) + bytes(100),
    "a CONNECT with a reserved flag": raw.connect(HEALTHY, HEALTHY, PASSWORD, flags=0x03),
    "another protocol": raw.connect(HEALTHY, HEALTHY, PASSWORD, protocol="AMQP"),
    "a client id that is no UTF-8": raw.connect(b"\xff", HEALTHY, PASSWORD),
}


@pytest.mark.parametrize("data", STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_connect_is_not_answered(port: int, data: bytes) -> None:
    with Raw(port, data) as client:
        assert client.answer() is None


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_no_client_may_send_ends_its_session(port: int, data: bytes) -> None:
    with device(port) as client:
        client.send(data)
        assert client.answer() is None


def test_what_stands_before_a_bad_packet_counts_and_what_stands_behind_it_does_not(port: int) -> None:
    """amqtt would go on reading in the middle of the bad one."""
    good, hidden = (raw.publish(topic(HEALTHY, "json/get"), data) for data in (b"good", b"hidden"))
    with gateway(port) as service, device(port) as client:
        client.send(good + raw.publish("a/#", hidden) + hidden)
        assert client.answer() == bytes([raw.PUBACK, 0, 1])
        assert client.answer() is None
        with device(port) as again:
            again.send(raw.publish(topic(HEALTHY, "json/get"), b"next"))
            assert [service.next().payload for _ in range(2)] == [b"good", b"next"]


@pytest.mark.parametrize("head", [0x30, 0x82, 0xA2, 0x40, 0xC0, 0xE0, 0x00])
def test_a_packet_over_128_kib_closes_before_its_bytes(port: int, head: int) -> None:
    with device(port) as client:
        client.send(bytes([head]) + raw.length(128 * 1024 + 1))
        assert client.answer() is None


def test_a_packet_of_128_kib_passes(port: int) -> None:
    with gateway(port) as service, device(port) as client:
        head = raw.text(topic(HEALTHY, "json/get")) + b"\0\1"
        data = bytes(128 * 1024 - len(head))
        client.send(raw.packet(0x32, head + data))
        assert client.answer() == bytes([raw.PUBACK, 0, 1])
        assert service.next().payload == data


def test_the_bytes_of_a_huge_packet_are_not_taken_in(port: int) -> None:
    with device(port) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client.send(b"\x30" + raw.length(200_000_000))
        assert client.bytes_taken(bytes(64 * 1024), 200_000_000) < 20_000_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_packet_that_never_ends_is_given_up() -> None:
    broker = new_broker(Limits(packet_seconds=0.3))
    try:
        with device(broker.port, keep_alive=0) as client:
            began = time.monotonic()
            client.send(b"\x30" + raw.length(1000))
            client.bytes_taken(b"x", 250, every=0.02)
            assert time.monotonic() - began < 2
    finally:
        broker.stop()


def test_three_hundred_bad_connections_do_not_disturb_a_good_device(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    port, random_bytes = broker.port, random.Random(300)
    signed_in = raw.connect(NEIGHBOUR, NEIGHBOUR, PASSWORD)
    bad = [*STRANGERS.values(), *(signed_in + data for data in BAD.values())]
    delays: list[float] = []
    done = threading.Event()

    def disturb() -> None:
        for number in range(300):
            data = bad[number % len(bad)] if number % 3 else random_bytes.randbytes(200)
            with Raw(port, data) as client:
                if number % 2:
                    client.seconds_until_closed()
        done.set()

    with (
        caplog.at_level(logging.INFO),
        gateway(port) as service,
        Paho(port, HEALTHY, PASSWORD, topic(HEALTHY, "#")) as good,
    ):
        service.echo(topic(HEALTHY, "json/commands"))
        disturber = threading.Thread(target=disturb)
        disturber.start()
        while not done.is_set() or len(delays) < 20:
            began = time.monotonic()
            good.client.publish(topic(HEALTHY, "json/get"), b"ping", qos=1)
            while not good.next().topic.endswith("/commands"):
                pass
            delays.append(time.monotonic() - began)
        disturber.join()
    assert max(delays) < 2
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO]


def held(broker: EmbeddedBroker) -> tuple[int, int, int]:
    """How many tasks, connections and sessions the broker holds."""
    running = broker._running
    assert running is not None
    counted: Future[tuple[int, int, int]] = Future()

    def count() -> None:
        tasks = asyncio.all_tasks(running.loop)
        counted.set_result((len(tasks), len(running.broker._connections), len(running.broker.sessions)))

    running.loop.call_soon_threadsafe(count)
    return counted.result(5)


def test_ended_connections_leave_nothing_behind() -> None:
    broker = new_broker()
    try:
        before = held(broker)
        sessions = [raw.connect(f"{HEALTHY}-{number}", HEALTHY, PASSWORD) for number in range(len(BAD))]
        for data in [*STRANGERS.values(), *map(operator.add, sessions, BAD.values())]:
            with Raw(broker.port, data) as client:
                client.seconds_until_closed()
        deadline = time.monotonic() + 3
        while held(broker) != before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert held(broker) == before
    finally:
        broker.stop()
