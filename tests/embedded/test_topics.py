"""Own topics only: what one device sends and hears never reaches another (WIRE.md 1.3)."""

import pytest

from tests.embedded import raw
from tests.embedded.people import (
    GATEWAY,
    HEALTHY,
    NEIGHBOUR,
    PASSWORD,
    ROOT,
    Paho,
    device,
    gateway,
    listening,
    topic,
)

GRANTED, REFUSED = 1, 0x80


def pinged(client: raw.Raw) -> bool:
    """Whether nothing came before the answer to a ping."""
    client.send(raw.packet(0xC0))
    return client.answer() == bytes([raw.PINGRESP])


@pytest.mark.parametrize("end", ["json/get", "cbor/results", "nrf/get", "xml/get"])
def test_what_a_device_sends_reaches_the_gateway(port: int, end: str) -> None:
    with gateway(port) as service, device(port) as sender:
        sender.send(raw.publish(topic(HEALTHY, end), b"hello", packet_id=7))
        assert sender.answer() == bytes([raw.PUBACK, 0, 7])
        message = service.next()
        assert (message.topic, message.payload, message.qos, message.retain) == (
            topic(HEALTHY, end),
            b"hello",
            1,
            False,
        )


def test_what_the_gateway_sends_reaches_its_device_and_no_other(port: int) -> None:
    with gateway(port) as service, listening(port) as healthy, listening(port, NEIGHBOUR) as neighbour:
        service.client.publish(topic(HEALTHY, "json/commands"), b"", qos=1).wait_for_publish(5)
        assert healthy.answer() == bytes([raw.PUBLISH]) + raw.text(topic(HEALTHY, "json/commands")) + b"\0\1"
        assert pinged(neighbour)


@pytest.mark.parametrize(
    "stranger",
    [
        topic(NEIGHBOUR, "json/get"),
        topic(NEIGHBOUR, "json/commands"),
        topic(HEALTHY, "json/commands"),
        topic(HEALTHY, "notify"),
        f"{ROOT}/x",
        "$SYS/broker",
        "elsewhere",
    ],
)
def test_what_a_device_may_not_send_is_acknowledged_and_goes_nowhere(port: int, stranger: str) -> None:
    everything = f"{ROOT}/#"
    with gateway(port, everything) as service, device(port, NEIGHBOUR) as neighbour, device(port) as healthy:
        neighbour.send(raw.subscribe(topic(NEIGHBOUR, "#")))
        assert neighbour.answer() == bytes([raw.SUBACK, 0, 1, GRANTED])
        healthy.send(raw.publish(stranger, b"forged"))
        assert healthy.answer() == bytes([raw.PUBACK, 0, 1])
        healthy.send(raw.publish(topic(HEALTHY, "json/get"), b"true", packet_id=2))
        assert service.next().payload == b"true"
        assert pinged(neighbour)


def test_the_service_sends_to_devices_only(port: int) -> None:
    with gateway(port, f"{ROOT}/#") as service:
        service.client.publish(f"{ROOT}/everyone/notify", b"no", qos=1)
        service.client.publish(topic(HEALTHY, "notify"), b"yes", qos=1)
        assert service.next().payload == b"yes"


def test_each_filter_of_a_subscription_is_judged_by_itself(port: int) -> None:
    with device(port) as client:
        wanted = [
            (topic(HEALTHY, "#"), GRANTED),
            (topic(NEIGHBOUR, "#"), REFUSED),
            (f"{ROOT}/+/json/commands", REFUSED),
            (topic(HEALTHY, "+/commands"), GRANTED),
            ("#", REFUSED),
            (f"$share/gateways/{ROOT}/+/+/get", REFUSED),
            (f"$share/mine/{topic(HEALTHY, '#')}", REFUSED),
            ("$SYS/#", REFUSED),
            (topic(HEALTHY, "#/x"), REFUSED),
        ]
        client.send(raw.subscribe(*(topic_filter for topic_filter, _ in wanted), packet_id=9))
        assert client.answer() == bytes([raw.SUBACK, 0, 9, *(code for _, code in wanted)])


def test_a_shared_subscription_is_refused_to_the_service_too(port: int) -> None:
    with raw.Raw(port, raw.connect("gateway", GATEWAY.user, GATEWAY.password)) as service:
        service.answer()
        service.send(raw.subscribe(f"$share/gateways/{ROOT}/+/+/get"))
        assert service.answer() == bytes([raw.SUBACK, 0, 1, REFUSED])


def test_qos_2_is_granted_as_qos_1_and_qos_0_as_it_is(port: int) -> None:
    with device(port) as client:
        client.send(raw.subscribe(topic(HEALTHY, "json/commands"), qos=2))
        assert client.answer() == bytes([raw.SUBACK, 0, 1, 1])
        client.send(raw.subscribe(topic(HEALTHY, "notify"), qos=0))
        assert client.answer() == bytes([raw.SUBACK, 0, 1, 0])


def test_a_device_holds_fifty_subscriptions(port: int) -> None:
    with device(port) as client:
        client.send(raw.subscribe(*(topic(HEALTHY, f"f{number}/commands") for number in range(51))))
        assert client.answer() == bytes([raw.SUBACK, 0, 1, *[GRANTED] * 50, REFUSED])
        client.send(raw.subscribe(topic(HEALTHY, "f0/commands")))
        assert client.answer() == bytes([raw.SUBACK, 0, 1, GRANTED])


def test_filters_that_overlap_bring_a_message_once(port: int) -> None:
    with gateway(port) as service, listening(port) as client:
        client.send(raw.subscribe(topic(HEALTHY, "#"), qos=0))
        client.answer()
        service.client.publish(topic(HEALTHY, "json/commands"), b"once", qos=1)
        answer = client.answer()
        assert answer is not None
        assert answer.endswith(b"\0\1once")
        assert pinged(client)


def test_what_is_unsubscribed_comes_no_more(port: int) -> None:
    with gateway(port) as service, listening(port) as client:
        client.send(raw.packet(0xA2, b"\0\2" + raw.text(topic(HEALTHY, "+/commands"))))
        assert client.answer() == bytes([raw.UNSUBACK, 0, 2])
        service.client.publish(topic(HEALTHY, "json/commands"), b"late", qos=1).wait_for_publish(5)
        assert pinged(client)


def test_nothing_is_kept_for_a_device_that_is_away(port: int) -> None:
    with gateway(port) as service:
        listening(port).socket.close()
        service.client.publish(topic(HEALTHY, "json/commands"), b"missed", qos=1).wait_for_publish(5)
        with listening(port) as client:
            assert pinged(client)


@pytest.mark.parametrize("retained", [b"retained", b""])
def test_a_retain_message_of_a_device_is_dropped(port: int, retained: bytes) -> None:
    with gateway(port) as service, device(port) as sender:
        sender.send(raw.publish(topic(HEALTHY, "json/get"), retained, flags=3))
        assert sender.answer() == bytes([raw.PUBACK, 0, 1])
        sender.send(raw.publish(topic(HEALTHY, "json/get"), b"plain", packet_id=2))
        assert service.next().payload == b"plain"


def test_nobody_leaves_a_retained_message_behind(port: int) -> None:
    with gateway(port) as service, Paho(port, HEALTHY, PASSWORD) as sender:
        service.client.publish(
            topic(HEALTHY, "json/commands"), b"kept?", qos=1, retain=True
        ).wait_for_publish(5)
        sender.client.publish(topic(HEALTHY, "json/get"), b"kept?", qos=1, retain=True).wait_for_publish(5)
        with gateway(port, f"{ROOT}/#") as late, listening(port, suffix="-late") as device_later:
            assert pinged(device_later)
            assert late.heard.empty()
