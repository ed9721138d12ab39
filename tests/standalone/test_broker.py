"""The broker lets a device in as itself, to its own topics, and nobody else to anything (WIRE 1)."""

import queue
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.standalone import packets
from tests.standalone.board import Board, Refused
from tests.standalone.fleet import Device, config, define
from tests.standalone.installation import Installation

CLEAN, WILL, RETAINED_WILL, PASSWORD, USER = 0x02, 0x04, 0x20, 0x40, 0x80
SIGN_IN = CLEAN | PASSWORD | USER
IN, OUT = b"\x20\x02\x00\x00", b"\x20\x02\x00"


@pytest.fixture(scope="module")
def known(service: Installation, owner: Any) -> Device:
    return define(owner, service.mqtt)


def hello(device: Device) -> bytes:
    return packets.connect(SIGN_IN, device.id, device.id, device.secret)


@pytest.mark.parametrize("suffix", ["", "-a", "-" + "z" * 20, "-1_.~"])
def test_a_client_id_is_the_devices_own(known: Device, suffix: str) -> None:
    known.board(client_id=known.id + suffix).connect().close()


@pytest.mark.parametrize(
    "client_id", ["{id}-", "{id}-" + "z" * 21, "{id}x", "x", "", "{other}", "{other}-a", "{ID}"]
)
def test_any_other_client_id_is_refused(
    known: Device, new_device: Callable[..., Device], client_id: str
) -> None:
    other = new_device()
    name = client_id.format(id=known.id, other=other.id, ID=known.id.upper())
    outcome = packets.tell(known.mqtt, packets.connect(SIGN_IN, name, known.id, known.secret))
    assert outcome.closed
    assert not outcome.heard.startswith(IN)


def test_another_device_cannot_take_over_a_session(new_device: Callable[..., Device]) -> None:
    good, bad = new_device(), new_device()
    with good.board() as board:
        with pytest.raises(Refused):
            bad.board(client_id=good.id).connect(timeout=2)
        assert board.get()["status"] == "READY"


@pytest.mark.parametrize(
    ("user", "secret"),
    [
        ("{id}", "wrong"),
        ("{id}", ""),
        ("{id}", "{secret} "),
        ("{ID}", "{secret}"),
        ("{other}", "{secret}"),
        ("", ""),
        ("gateway", ""),
        ("admin", "admin"),
        ("{id}\0", "{secret}"),
        ("{id}", "x" * 60_000),
    ],
)
def test_a_wrong_sign_in_is_refused(known: Device, user: str, secret: str) -> None:
    names = {"id": known.id, "ID": known.id.upper(), "other": str(uuid.uuid4()), "secret": known.secret}
    sent = packets.connect(SIGN_IN, known.id, user.format(**names), secret.format(**names))
    outcome = packets.tell(known.mqtt, sent)
    assert outcome.closed
    assert not outcome.heard.startswith(IN)


@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        (CLEAN, ["{id}"]),
        (CLEAN | USER, ["{id}", "{id}"]),
        (SIGN_IN & ~CLEAN, ["{id}", "{id}", "{secret}"]),
        (SIGN_IN | WILL, ["{id}", "prov/v1/{id}/json/get", "x", "{id}", "{secret}"]),
        (SIGN_IN | WILL | RETAINED_WILL, ["{id}", "prov/v1/{id}/json/get", "x", "{id}", "{secret}"]),
    ],
    ids=["anonymous", "no password", "persistent session", "will", "retained will"],
)
def test_a_session_that_is_not_plain_is_refused(known: Device, flags: int, payload: list[str]) -> None:
    parts = [part.format(id=known.id, secret=known.secret) for part in payload]
    outcome = packets.tell(known.mqtt, packets.connect(flags, *parts))
    assert (outcome.closed, outcome.heard[:3]) == (True, OUT)
    assert outcome.heard[3] != 0


@pytest.mark.parametrize(("level", "name"), [(5, "MQTT"), (3, "MQIsdp"), (9, "MQTT")])
def test_another_version_of_mqtt_is_refused_by_its_code(known: Device, level: int, name: str) -> None:
    sent = packets.connect(SIGN_IN, known.id, known.id, known.secret, level=level, name=name)
    outcome = packets.tell(known.mqtt, sent)
    assert (outcome.closed, outcome.heard) == (True, b"\x20\x02\x00\x01")


@pytest.mark.parametrize(
    "filter",
    [
        "#",
        "+/#",
        "prov/#",
        "prov/v1/#",
        "prov/v1/+/#",
        "prov/v1/+/json/commands",
        "prov/+/{id}/#",
        "+/+/{id}/#",
        "prov/v1/{other}/#",
        "prov/v1/{other}/json/commands",
        "prov/v1/{ID}/#",
        "$SYS/#",
        "$SYS/broker/uptime",
        "$share/g/prov/v1/{id}/#",
        "$share/g/prov/v1/+/+/get",
        "$share/gateway/prov/v1/+/+/results",
        "$share/g/#",
    ],
)
def test_a_foreign_filter_is_not_granted(
    known: Device, new_device: Callable[..., Device], filter: str
) -> None:
    other = new_device()
    board = known.board(client_id=f"{known.id}-f").connect(subscribe=False)
    try:
        names = {"id": known.id, "ID": known.id.upper(), "other": other.id}
        assert board.subscribe(filter.format(**names)) == [128]
    finally:
        board.close()


def test_refused_filters_bring_nothing_of_another_device(new_device: Callable[..., Device]) -> None:
    good, bad = new_device(), new_device()
    good.add(config())
    with bad.board() as thief, good.board() as board:
        thief.subscribe("#", "prov/v1/+/#", f"prov/v1/{good.id}/#", "$share/g/prov/v1/#")
        assert len(board.get()["commands"]) == 1
        assert thief.silence(0.3) == []


@pytest.mark.parametrize("filter", ["prov/v1/{id}/#", "prov/v1/{id}/+/commands", "prov/v1/{id}/notify"])
def test_a_devices_own_filter_is_granted(known: Device, filter: str) -> None:
    board = known.board(client_id=f"{known.id}-o").connect(subscribe=False)
    try:
        assert board.subscribe(filter.format(id=known.id)) == [1]
    finally:
        board.close()


def quiet(board: Board) -> bool:
    try:
        board.next(0.4)
    except queue.Empty:
        return True
    return False


def test_publishing_to_another_device_reaches_nobody(new_device: Callable[..., Device]) -> None:
    good, bad = new_device(), new_device()
    with good.board() as board, bad.board() as liar:
        (id,) = good.add(config())
        # Its own call comes first.
        board.next(words=("notify",))
        for topic in ("json/get", "json/results", "json/commands", "notify"):
            body = b'{"results": [{"id": "%s.0", "ok": true}]}' % id.encode()
            liar.publish(f"prov/v1/{good.id}/{topic}", body)
        assert board.silence(0.4) == []
        assert liar.silence(0) == []
    assert (good.states(id), good.status) == (["PENDING"], "READY")


def test_a_device_cannot_speak_for_the_service_even_to_itself(device: Device) -> None:
    with device.board() as board:
        for word in ("json/commands", "json/accepted", "json/rejected", "notify"):
            board.publish(f"prov/v1/{device.id}/{word}", b'{"pending": 5, "within": 0}')
        assert board.silence(0.5) == []


def test_what_is_published_retained_is_dropped(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        board.publish(f"prov/v1/{device.id}/json/get", b"{}", retain=True)
        assert quiet(board)
    assert device.status == "READY"
    with device.board() as board:
        assert quiet(board)
        assert len(board.get()["commands"]) == 1


def test_an_answer_is_not_kept_for_a_later_session(device: Device) -> None:
    device.add(config())
    with device.board() as board:
        board.get()
    with device.board() as board:
        assert quiet(board)


@pytest.mark.parametrize("qos", [0, 2])
def test_a_device_that_uses_another_qos_is_served_too(device: Device, qos: int) -> None:
    device.add(config())
    with device.board() as board:
        board.publish(f"prov/v1/{device.id}/json/get", b'{"id": "q"}', qos=qos)
        assert board.next().body["id"] == "q"


def test_a_second_connection_of_one_client_id_ends_the_first(device: Device) -> None:
    with device.board() as first, device.board() as second:
        assert first.wait_until_lost(3) is not None
        assert second.get()["status"] == "READY"


HOSTILE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(600),
    "zeros": bytes(1_000),
    "every byte": bytes(range(256)) * 8,
    "publish before connect": packets.publish("a", b"x"),
    "another protocol": packets.connect(SIGN_IN, "x", "x", "x", name="HTTP"),
    "connect of 256 MiB": b"\x10" + packets.length(268_435_455) + b"x" * 1_000,
}
AFTER_SIGN_IN = {
    "a second connect": None,
    "qos 3": packets.publish("a", b"x", flags=0x06),
    "subscribe to nothing": packets.packet(0x82, b"\x00\x01"),
    "subscribe with wrong flags": packets.packet(0x80, b"\x00\x01" + packets.text("a") + b"\x01"),
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a publish of 256 MiB": b"\x30" + packets.length(268_435_455),
    "a publish over 128 KiB": b"\x32" + packets.length(131_073 + 10),
    "a topic that is no utf-8": packets.packet(0x30, b"\x00\x02\xff\xfe"),
    "a topic with a nul": packets.packet(0x30, b"\x00\x02a\x00"),
    "a topic with a wildcard": packets.packet(0x30, b"\x00\x01#"),
    "a reserved packet": b"\xf0\x00",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_a_stranger_who_speaks_nonsense_is_put_out(known: Device, sent: bytes) -> None:
    outcome = packets.tell(known.mqtt, sent)
    assert outcome.closed
    assert not outcome.heard.startswith(IN)


@pytest.mark.parametrize("sent", AFTER_SIGN_IN.values(), ids=AFTER_SIGN_IN)
def test_a_device_that_speaks_nonsense_is_put_out(known: Device, sent: bytes | None) -> None:
    outcome = packets.tell(known.mqtt, hello(known) + (hello(known) if sent is None else sent))
    assert outcome.closed
    assert outcome.heard.startswith(IN)
    known.board(client_id=f"{known.id}-n").connect().close()


def test_a_packet_over_128_kib_closes_the_connection_and_nobody_elses(
    service: Installation, known: Device, new_device: Callable[..., Device]
) -> None:
    bad = new_device()
    with known.board(client_id=f"{known.id}-k") as board:
        whole = packets.publish(f"prov/v1/{bad.id}/json/get", b"x" * 131_100)
        assert packets.tell(service.mqtt, hello(bad) + whole).closed
        assert board.get()["status"] == "READY"


def test_a_device_is_heard_once_it_was_put_out(device: Device) -> None:
    packets.tell(device.mqtt, hello(device) + b"\xf0\x00")
    with device.board() as board:
        assert board.get()["status"] == "READY"


def test_connections_that_say_nothing_do_not_keep_devices_out(service: Installation, device: Device) -> None:
    idle = [socket.create_connection(("127.0.0.1", service.mqtt)) for _ in range(200)]
    try:
        for one in idle[:100]:
            one.sendall(b"\x10")
        begin = time.monotonic()
        with device.board() as board:
            board.get()
        assert time.monotonic() - begin < 3
    finally:
        for one in idle:
            one.close()
