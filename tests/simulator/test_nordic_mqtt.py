"""Nordic's client over a real broker, with a service on the other side that answers as it is told."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import cbor2
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.simulator.connection import Broker, Version
from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import Ask, Busy, NotClaimed, NotServed, Refused, TooLarge, run
from provisioning.simulator.nordic_codec import Settings
from provisioning.simulator.nordic_mqtt import MqttTransport
from tests.servers.mosquitto import Mosquitto

from . import nordic_ends as ends
from .installation import ACCESS, GATEWAY, PASSWORD
from .nordic_ends import LAST
from .service import ID, ROOT
from .test_fleet import CONFIG

SECRET = "a device's secret"
QUICK = Settings(pace=0.0001)
COMMANDS = bytes.fromhex(ends.COMMANDS_1)


class Desk:
    """Answers each message with the next of `answers`: verb and payload, or None for silence."""

    def __init__(self, broker: Mosquitto) -> None:
        self.answers: list[tuple[str, bytes] | None] = []
        self.heard: list[tuple[str, bytes]] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "desk")
        self.client.username_pw_set(GATEWAY, PASSWORD)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", broker.port)
        self.client.subscribe([(f"{ROOT}/+/nrf/get", 1), (f"{ROOT}/+/nrf/results", 1)])
        self.client.loop_start()

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        folder, _, verb = message.topic.rpartition("/")
        self.heard.append((verb, bytes(message.payload)))
        answer = self.answers.pop(0)
        if answer is not None:
            client.publish(f"{folder}/{answer[0]}", answer[1], qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto(CONFIG, users={GATEWAY: PASSWORD, ID: SECRET}, acl=ACCESS)


@pytest.fixture
def desk(broker: Mosquitto) -> Iterator[Desk]:
    desk = Desk(broker)
    yield desk
    desk.close()


@pytest.fixture(params=list(Version))
def transport(broker: Mosquitto, request: pytest.FixtureRequest) -> MqttTransport:
    return MqttTransport(Broker("127.0.0.1", broker.port, request.param), ID, lambda: SECRET)


def rejection(**body: Any) -> tuple[str, bytes]:
    return "rejected", cbor2.dumps(body)


def test_a_whole_run_goes_through(desk: Desk, transport: MqttTransport) -> None:
    desk.answers = [("commands", COMMANDS), ("accepted", b"")]
    assert run(Modem.make(), transport, QUICK).finished
    (get, asked), (results, done) = desk.heard
    assert (get, cbor2.loads(asked)) == ("get", {"rxMaxSize": 2048, "txMaxSize": 2048, "limit": 10})
    assert (results, done.hex()) == ("results", ends.RESPONSES_1)


def test_the_last_command_is_told_and_a_limit_only_by_who_has_one(
    desk: Desk, transport: MqttTransport
) -> None:
    desk.answers = [("commands", b"")]
    assert transport.get(Ask(LAST, Settings(tells_limit=False, rx=600, tx=500))) is None
    assert cbor2.loads(desk.heard[0][1]) == {"rxMaxSize": 600, "txMaxSize": 500, "after": LAST}


def test_a_modest_client_asks_with_an_empty_payload(desk: Desk, transport: MqttTransport) -> None:
    transport.modest = True
    desk.answers = [("commands", COMMANDS)]
    assert transport.get(Ask("", QUICK)) == COMMANDS
    assert desk.heard == [("get", b"")]


def test_without_an_answer_it_says_the_same_again(desk: Desk, transport: MqttTransport) -> None:
    transport.timeout = 0.3
    desk.answers = [None, ("commands", COMMANDS)]
    assert transport.get(Ask("", QUICK)) == COMMANDS
    assert desk.heard[0] == desk.heard[1]


def test_an_answer_to_something_else_is_none(desk: Desk, transport: MqttTransport) -> None:
    transport.timeout, transport.tries = 0.3, 1
    desk.answers = [("accepted", b"")]
    with pytest.raises(Busy, match="no answer to get"):
        transport.get(Ask("", QUICK))


def test_commands_must_fit_the_buffer(desk: Desk, transport: MqttTransport) -> None:
    desk.answers = [("commands", b"x" * 2049)]
    with pytest.raises(TooLarge, match="2049"):
        transport.get(Ask("", QUICK))


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (rejection(code="NOT_CLAIMED", message="m"), NotClaimed, "NOT_CLAIMED: m"),
        (rejection(code="BLOCKED", message="m"), NotClaimed, "BLOCKED: m"),
        (rejection(code="THROTTLED", message="m", retryAfter=1.5), Busy, "THROTTLED: m"),
        (rejection(code="INTERNAL", message="m"), Busy, "INTERNAL: m"),
        (rejection(code="MALFORMED", message="m"), Refused, "MALFORMED: m"),
        (rejection(message="m"), Refused, "no CBOR map"),
        (("rejected", b'{"code": "BLOCKED"}'), Refused, "no CBOR map"),
        (("rejected", b""), Refused, "no CBOR map"),
    ],
)
def test_a_rejection_is_understood(
    desk: Desk, broker: Mosquitto, answer: tuple[str, bytes], kind: type[NotServed], text: str
) -> None:
    transport = MqttTransport(Broker("127.0.0.1", broker.port), ID, lambda: SECRET)
    calls: tuple[Callable[[], object], ...] = (
        lambda: transport.get(Ask("", QUICK)),
        lambda: transport.report(b"\x80", QUICK),
    )
    for call in calls:
        desk.answers = [answer]
        with pytest.raises(NotServed, match=text) as refusal:
            call()
        assert type(refusal.value) is kind
        if isinstance(refusal.value, Busy):
            assert refusal.value.retry_after == (1.5 if "THROTTLED" in text else None)


def test_accepted_is_empty(desk: Desk, transport: MqttTransport) -> None:
    desk.answers = [("accepted", b"\xa0")]
    with pytest.raises(Refused, match="should be empty"):
        transport.report(b"\x80", QUICK)


def test_a_password_is_asked_for_each_time_and_a_wrong_one_is_not_let_in(
    desk: Desk, broker: Mosquitto
) -> None:
    passwords = iter([SECRET, "wrong"])
    transport = MqttTransport(Broker("127.0.0.1", broker.port), ID, lambda: next(passwords))
    desk.answers = [("commands", b"")]
    assert transport.get(Ask("", QUICK)) is None
    with pytest.raises(NotClaimed, match="refused the sign-in"):
        transport.get(Ask("", QUICK))


def test_a_broker_that_goes_away_is_nobody_answering(desk: Desk, broker: Mosquitto) -> None:
    transport = MqttTransport(Broker("127.0.0.1", broker.port), ID, lambda: SECRET)
    desk.answers = [None]
    stop = threading.Timer(0.5, broker.stop)
    stop.start()
    with pytest.raises(ConnectionError, match="hung up"):
        transport.get(Ask("", QUICK))
    stop.join()


def test_no_broker_is_nobody_answering(broker: Mosquitto) -> None:
    transport = MqttTransport(Broker("127.0.0.1", broker.port), ID, lambda: SECRET)
    broker.stop()
    with pytest.raises(OSError, match="refused"):
        transport.get(Ask("", QUICK))
