"""Messages that nobody can read, too large, retained or from nowhere cost a good device nothing: WIRE.md 1.4, 4."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from provisioning import publisher
from provisioning.messages import Inbound
from tests.conftest import MOSQUITTO_CONF
from tests.pipeline import cast
from tests.pipeline.cast import Device
from tests.pipeline.inbox import Inbox, gateway, inbox
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

KIB = 1024
BAD = [
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"id": "a", "id": "b"}',
    b'{"limit": 0}',
    b'{"limit": NaN}',
    b'{"id": "\\u0000"}',
    b'{"id": "\\ud800"}',
    b'{"client": ' + b"[" * 100_000,
    b'{"rxMaxSize": 1e999}',
    b"{} trailing",
    b'{"client": {"a": 1}, "results": [{"id": "x", "ok": "yes"}]}',
]


@pytest.fixture
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    with Wire(settings.MQTT_URL) as opened:
        yield opened
    publisher.current().close()


@pytest.fixture
def queue(redis: Redis) -> Iterator[Inbox]:
    with inbox() as opened:
        opened.empty()
        yield opened


def bad(devices: list[Device], count: int) -> list[Inbound]:
    """Messages that are none, in every format that there is and one that there is not."""
    dice = random.Random(7)
    found = []
    for number in range(count):
        payload = BAD[number % len(BAD)] if number % 2 else dice.randbytes(dice.randrange(1, 400))
        end = f"{dice.choice(['json', 'cbor', 'morse'])}/{dice.choice(['get', 'results'])}"
        start = b"\xff" if end.startswith("cbor") else b""
        found.append(Inbound(dice.choice(devices).topic(end), start + payload, timezone.now()))
    return found


def test_three_hundred_malformed_messages_and_a_good_device(wire: Wire, queue: Inbox) -> None:
    tenant = cast.owner()
    good, *fools = cast.fleet(tenant, 21, *cast.five())
    nonsense = bad(fools, 300)

    def from_good(verb: str) -> list[dict[str, object]]:
        topic = good.topic(f"json/{verb}")
        return [json.loads(one.payload) for one in wire.arrived if one.topic == topic]

    with gateway(settings.MQTT_URL):
        wire.say([*nonsense[:150], good.get(), *nonsense[150:220]])
        queue.work(lambda: bool(from_good("commands")))
        (served,) = from_good("commands")
        wire.say([*nonsense[220:260], good.results(_done(served)), *nonsense[260:]])
        queue.work(lambda: len(wire.arrived) >= 302)
    assert good.row.status == "PROVISIONED"
    assert good.timeline("refused") == []
    (accepted,) = from_good("accepted")
    assert accepted["status"] == "PROVISIONED"
    assert Counter(one.topic.rsplit("/", 1)[1] for one in wire.arrived) == {
        "rejected": 300,
        "commands": 1,
        "accepted": 1,
    }
    codes = {json.loads(one.payload)["code"] for one in wire.arrived if "/json/rejected" in one.topic}
    assert codes == {"MALFORMED"}


def _done(served: dict[str, object]) -> dict[str, object]:
    """What a device answers that did the five."""
    values: dict[str, object] = {
        "clientPrivateKeyGeneration": {"publicKey": cast.made()[0].public_key},
        "certificateSigningRequest": {"csr": cast.made()[0].csr},
    }
    commands: list[dict[str, str]] = served["commands"]  # type: ignore[assignment]
    return {command["id"]: values.get(command["type"]) for command in commands}


@pytest.mark.parametrize("size", [64 * KIB + 1, 100 * KIB, 127 * KIB])
def test_a_message_over_64_kib_is_answered_too_large(wire: Wire, queue: Inbox, size: int) -> None:
    large, good = cast.fleet(cast.owner(), 2, cast.CONFIG)
    with gateway(settings.MQTT_URL):
        wire.say([large.says("get", b" " * (size - 2) + b"{}"), good.get()])
        queue.work(lambda: len(wire.arrived) == 2)
    said = {one.said.device_id: one.said for one in wire.arrived}
    assert said[large.id].body["code"] == "TOO_LARGE"
    assert said[good.id].verb == "commands"


def test_what_comes_from_no_device_is_dropped(wire: Wire, queue: Inbox) -> None:
    good = cast.device(cast.owner(), cast.CONFIG)
    odd = ["not-an-id", str(good.id).upper(), str(good.id).replace("-", ""), f"{{{good.id}}}", ""]
    topics = [f"{cast.ROOT}/{name}/json/get" for name in odd]
    with gateway(settings.MQTT_URL):
        wire.say([Inbound(topic, b"{}", timezone.now()) for topic in topics])
        wire.say([good.get()])
        queue.work(lambda: bool(wire.arrived))
    assert [one.topic for one in wire.arrived] == [good.topic("json/commands")]


def test_a_device_that_nobody_claimed_hears_so(wire: Wire, queue: Inbox) -> None:
    nobody = Device(UUID(int=0), uuid4())
    with gateway(settings.MQTT_URL):
        wire.say([nobody.get(id="7")])
        queue.work(lambda: bool(wire.arrived))
    (said,) = wire.wait_for(1)
    assert (said.body["code"], said.body["id"]) == ("NOT_CLAIMED", "7")


def test_retained_messages_are_dropped(queue: Inbox, start_mosquitto: Callable[..., Mosquitto]) -> None:
    """On a broker that keeps them; ours is told not to."""
    config = MOSQUITTO_CONF.read_text().replace("retain_available false", "retain_available true")
    acl = "user gateway\ntopic readwrite prov/v1/#\n"
    broker = start_mosquitto(config, users={"gateway": "secret"}, acl=acl)
    url = f"mqtt://gateway:secret@127.0.0.1:{broker.ports[1884]}"
    retaining, good = (Device(uuid4(), uuid4()) for _ in range(2))
    with Wire(url) as wire:
        wire.say([retaining.get(id="old")], retain=True)
        with gateway(url, batch=1):
            wire.say([good.get(id="new")])
            ((topic, _, _, _),) = queue.take()
            assert topic == good.topic("json/get")
            assert queue.look(0.3) is None
            more = [good.get() for _ in range(10)]
            wire.say(more)
            assert len(queue.take_messages(10)) == 10
