"""From REST to the device a secret is in no log, no Celery message, no timeline and no answer: law 7."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis as client
from django.conf import settings

from provisioning import publisher
from tenants import bootstrap
from tests.pipeline import planted
from tests.pipeline.cast import PSK, Device
from tests.pipeline.running import Running, running
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "an-owners-key-of-these-tests-1234"
ASKED = "the-first-question-of-the-device"


class Owner:
    """Somebody with an API key, who keeps all that she was told."""

    def __init__(self, port: int) -> None:
        self._at = f"http://127.0.0.1:{port}/v1/claimed-devices"
        self.told = ""

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer, also of a refusal."""
        data = None if body is None else json.dumps(body).encode()
        headers |= {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._at + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as refused:
            text = refused.read().decode()
        self.told += text
        return json.loads(text) if text else None


@pytest.fixture
def processes(tmp_path: Path, postgres: Postgres, mosquitto: Mosquitto, redis: Redis) -> Iterator[Running]:
    with running(tmp_path, postgres) as found:
        yield found
    publisher.current().close()


def redis_holds(redis: Redis) -> bytes:
    """Every value in Redis, Celery's messages opened."""
    found: list[bytes] = []
    with client.Redis.from_url(redis.url) as connected:
        read: dict[bytes, Callable[[bytes], Any]] = {
            b"list": lambda key: connected.lrange(key, 0, -1),
            b"hash": connected.hvals,
            b"set": connected.smembers,
            b"zset": lambda key: connected.zrange(key, 0, -1),
            b"string": lambda key: [connected.get(key)],
        }
        for key in connected.scan_iter():
            found += read[connected.type(key)](key)
    bodies = [base64.b64decode(body) for value in found for body in re.findall(rb'"body": "([^"]+)"', value)]
    return b"\n".join(found + bodies)


def test_secrets_are_seen_by_their_device_only(processes: Running, postgres: Postgres, redis: Redis) -> None:
    """Every process writes all that it can say; the workers are not there until the queues were looked into."""
    tenant, _ = bootstrap.tenant_with_owner("ann", KEY)
    for name in ("web", "gateway"):
        processes.start(name, KEYSEED_LOG_LEVEL="DEBUG")
    owner = Owner(processes.http_port)
    device = Device(tenant.id, UUID(owner.call("POST", "", {})["id"]))
    there = f"/{device.id}/provisioning"
    body = {"commands": [{"request": request} for request in planted.commands()]}
    ids = [
        one["id"]
        for one in owner.call("POST", f"{there}/batch", body, **{"Idempotency-Key": "once"})["items"]
    ]
    owner.call("POST", f"{there}/batch", body, **{"Idempotency-Key": "once"})
    for wrong in wrongs():
        assert owner.call("POST", there, wrong)["code"]
    with Wire(settings.MQTT_URL) as wire:
        wire.say([device.get(id=ASKED)])
        held = wait_for_queues(redis)
        assert planted.found_in(held) == []
        for name in ("inbound", "jobs"):
            processes.start(name, KEYSEED_LOG_LEVEL="DEBUG")
        wire.wait_until(lambda: len(heard(wire, "commands")) == 1)
        assert planted.found_in(heard(wire, "commands")[0]) == planted.as_given()
        first, second = (f"{one}.0" for one in ids)
        wire.say([device.results({first: 5, second: 5})])
        wire.wait_until(lambda: len(heard(wire, "accepted")) == 1)
        owner.call("POST", f"{there}/{ids[0]}/reset", {"secrets": {"secret": PSK}})
        wire.say([device.get()])
        wire.wait_until(lambda: len(heard(wire, "commands")) == 2)
    for path in ("", there, f"/{device.id}", f"/{device.id}/timeline", f"/{device.id}/explain"):
        owner.call("GET", path)
    assert planted.found_in(owner.told) == []
    assert planted.found_in(planted.database()) == []
    assert planted.found_in(redis_holds(redis)) == []
    assert planted.found_in(postgres.log_text()) == []
    for process in processes.processes:
        assert "DEBUG" in process.text
        assert planted.found_in(process.text) == []


def wrongs() -> list[object]:
    """Requests that are refused, with secrets in them."""
    key = {"secTag": 9, "content": planted.private_key(), "password": planted.PASSWORD}
    return [
        {"request": {"preSharedKey": {"secTag": -1, "identity": "x", "secret": PSK}}},
        {"request": {"preSharedKey": {"secTag": 1, "identity": PSK, "secret": PSK + "0"}}},
        {"request": {"clientPrivateKey": {**key, "password": "another"}}},
        {"request": {"clientPrivateKey": {**key, "content": "no key", "password": planted.PASSWORD}}},
        {"request": {"noSuchType": key}},
        {"request": key, "secret": PSK},
        f"{planted.PASSWORD} is not an object",
    ]


def wait_for_queues(redis: Redis) -> bytes:
    """What Redis holds once the nudge of the outbox and the device's message are there."""
    end = time.monotonic() + 20
    while not (ASKED.encode() in (held := redis_holds(redis)) and b"provisioning.outbox" in held):
        assert time.monotonic() < end
        time.sleep(0.05)
    return held


def heard(wire: Wire, verb: str) -> list[bytes]:
    return [one.payload for one in wire.arrived if one.topic.endswith(f"/{verb}")]
