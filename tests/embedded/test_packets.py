"""What is a packet and what is not, without a broker; and that amqtt reads what passed."""

import asyncio
import contextlib

import pytest
from amqtt.adapters import BufferReader
from amqtt.mqtt import packet_class
from amqtt.mqtt.packet import MQTTFixedHeader
from hypothesis import given
from hypothesis import strategies as st

from provisioning.embedded import packets
from provisioning.embedded.packets import Connect, Malformed, UnsupportedVersion
from tests.embedded import raw
from tests.embedded.people import HEALTHY, PASSWORD


def connect_of(data: bytes) -> Connect:
    head, body = split(data)
    return packets.read_connect(head, body)


def split(data: bytes) -> tuple[int, bytes]:
    size = next(at for at in range(1, 5) if not data[at] & 0x80)
    return data[0], data[size + 1 :]


def test_a_connect_is_read() -> None:
    data = raw.connect(HEALTHY, HEALTHY, PASSWORD, keep_alive=30)
    assert connect_of(data) == Connect(
        HEALTHY, HEALTHY, PASSWORD, clean_session=True, will=False, keep_alive=30
    )


def test_a_will_is_read_over_and_told() -> None:
    will = raw.text("topic") + raw.text(b"\xff message")
    connect = connect_of(raw.connect(HEALTHY, HEALTHY, PASSWORD, flags=0x2E, tail=will))
    assert (connect.will, connect.user, connect.password) == (True, HEALTHY, PASSWORD)


def test_a_password_does_not_show() -> None:
    assert PASSWORD not in repr(connect_of(raw.connect(HEALTHY, HEALTHY, PASSWORD)))


@pytest.mark.parametrize(("protocol", "level"), [("MQIsdp", 3), ("MQTT", 5), ("MQTT", 3), ("MQTT", 0x84)])
def test_another_version_is_told_apart_from_nonsense(protocol: str, level: int) -> None:
    with pytest.raises(UnsupportedVersion):
        connect_of(raw.connect(HEALTHY, protocol=protocol, level=level))


@pytest.mark.parametrize(
    "data",
    [
        b"\x11" + raw.connect(HEALTHY)[1:],
        raw.connect(HEALTHY, protocol="HTTP"),
        raw.connect(HEALTHY, flags=0x03),
        raw.connect(HEALTHY, flags=0x22),
        raw.connect(HEALTHY, flags=0x0A),
        raw.connect(HEALTHY, flags=0x1E, tail=raw.text("topic") + raw.text("message")),
        raw.connect(HEALTHY, password=PASSWORD),
        raw.connect(b"\xff"),
        raw.connect(b"a\0b"),
        raw.connect(b"\xed\xa0\x80"),
        raw.connect(HEALTHY, b"\xc3\x28", PASSWORD),
        raw.connect(HEALTHY, HEALTHY, b"\xff"),
        raw.connect(HEALTHY, tail=b"trailing"),
        raw.packet(0x10, raw.text("MQTT") + b"\x04\x02"),
        raw.packet(0x10),
    ],
)
def test_a_connect_that_is_wrong_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        connect_of(data)


GOOD = [
    raw.publish("a/b", b"data", flags=0),
    raw.publish("a/b", b"", flags=2),
    raw.publish("a/b", b"data", flags=0x0B),
    raw.publish("a/b", b"data", flags=4),
    raw.packet(0x40, b"\0\1"),
    raw.packet(0x62, b"\0\1"),
    raw.subscribe("a", "b/#", qos=2),
    raw.packet(0xA2, b"\0\1" + raw.text("a")),
    raw.packet(0xC0),
    raw.packet(0xE0),
]

BAD = {
    "a second CONNECT": raw.connect(HEALTHY),
    "CONNACK": raw.packet(0x20, b"\0\0"),
    "PUBREC, though nothing goes out with QoS 2": raw.packet(0x50, b"\0\1"),
    "PUBCOMP": raw.packet(0x70, b"\0\1"),
    "SUBACK": raw.packet(0x90, b"\0\1\0"),
    "UNSUBACK": raw.packet(0xB0, b"\0\1"),
    "PINGRESP": raw.packet(0xD0),
    "type 0": raw.packet(0x00),
    "type 15": raw.packet(0xF0),
    "PUBLISH of QoS 3": raw.publish("a", flags=6),
    "PUBLISH of QoS 0 with DUP": raw.publish("a", flags=8),
    "PUBLISH with packet id 0": raw.publish("a", packet_id=0),
    "PUBLISH without a packet id": raw.packet(0x32, raw.text("a")),
    "PUBLISH to no topic": raw.publish(""),
    "PUBLISH to +": raw.publish("a/+"),
    "PUBLISH to #": raw.publish("a/#"),
    "PUBLISH to a topic with NUL": raw.publish("a\0b"),
    "PUBLISH to a topic that is no UTF-8": raw.publish(b"\xff\xfe"),
    "PUBLISH to a surrogate": raw.publish(b"\xed\xa0\x80"),
    "PUBLISH shorter than its topic": raw.packet(0x30, b"\0\x09abc"),
    "PUBLISH of nothing": raw.packet(0x30),
    "PUBACK with packet id 0": raw.packet(0x40, b"\0\0"),
    "PUBACK that is short": raw.packet(0x40, b"\0"),
    "PUBACK that is long": raw.packet(0x40, b"\0\1\0"),
    "PUBACK with flags": raw.packet(0x42, b"\0\1"),
    "PUBREL without its flags": raw.packet(0x60, b"\0\1"),
    "SUBSCRIBE without its flags": raw.packet(0x80, b"\0\1" + raw.text("a") + b"\1"),
    "SUBSCRIBE to nothing": raw.subscribe(),
    "SUBSCRIBE with packet id 0": raw.subscribe("a", packet_id=0),
    "SUBSCRIBE to an empty filter": raw.subscribe(""),
    "SUBSCRIBE of QoS 3": raw.subscribe("a", qos=3),
    "SUBSCRIBE that is cut off": raw.packet(0x82, b"\0\1" + raw.text("a")),
    "SUBSCRIBE that is no UTF-8": raw.subscribe(b"\xff"),
    "UNSUBSCRIBE from nothing": raw.packet(0xA2, b"\0\1"),
    "PINGREQ with a body": raw.packet(0xC0, b"x"),
    "PINGREQ with flags": raw.packet(0xC1),
    "DISCONNECT with a body": raw.packet(0xE0, b"x"),
}


@pytest.mark.parametrize("data", GOOD)
def test_a_packet_of_a_client_passes(data: bytes) -> None:
    packets.check(*split(data))


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_no_client_may_send_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        packets.check(*split(data))


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_a_packet_or_malformed_and_nothing_else(data: bytes) -> None:
    for read in (packets.check, packets.read_connect):
        with contextlib.suppress(Malformed, UnsupportedVersion):
            read(data[0], data[1:])


HEADS = st.sampled_from([0x30, 0x31, 0x32, 0x34, 0x3A, 0x40, 0x62, 0x82, 0xA2, 0xC0, 0xE0])
TEXTS = st.text(max_size=8).map(raw.text)
BODIES = st.lists(st.one_of(TEXTS, st.sampled_from([b"\0\1", b"\0", b"\1", b"\2"])), max_size=6).map(b"".join)


@given(HEADS, BODIES)
def test_amqtt_reads_all_of_what_passed_and_no_more(head: int, body: bytes) -> None:
    try:
        packets.check(head, body)
    except Malformed:
        return
    reader = BufferReader(raw.packet(head, body) + b"next")

    async def read() -> bytes:
        header = await MQTTFixedHeader.from_stream(reader)
        assert header is not None
        await packet_class(header).from_stream(reader, fixed_header=header)
        return await reader.read(100)

    assert asyncio.run(read()) == b"next"
