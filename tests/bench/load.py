"""The load: many devices over one MQTT connection, each `get`, `results`, next device. The same for echo and product.

One connection for all keeps the cost of the load itself small and equal on both sides of the comparison.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from provisioning import mqtt
from tests.bench.material import Made

REPEAT_SECONDS = 10.0
VALUES = {"clientPrivateKeyGeneration": "publicKey", "certificateSigningRequest": "csr"}


@dataclass(slots=True)
class Flight:
    """One device under way: what it sent last, when, and when it began."""

    device_id: str
    made: Made
    began: float
    sent: float = 0.0
    topic: str = ""
    payload: bytes = b""


@dataclass(slots=True)
class Tally:
    """What was measured: when each device was done, and each round trip in seconds."""

    done: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    repeats: int = 0
    odd: list[str] = field(default_factory=list)


class Load:
    """Runs devices through `get` and `results`, `in_flight` at a time."""

    def __init__(
        self,
        url: str,
        root: str,
        devices: Sequence[str],
        pool: Sequence[Made],
        in_flight: int,
        repeat: float = REPEAT_SECONDS,
    ) -> None:
        self._repeat_after = repeat
        self._address = mqtt.parse(url)
        self._root, self._pool = root, pool
        self._waiting: Iterator[str] = iter(devices)
        self._in_flight = in_flight
        self._flights: dict[str, Flight] = {}
        self._began = 0
        self._stopped = False
        self._ready = False
        self.tally = Tally()
        self._client = mqtt.client(self._address, "bench-load")
        self._client.on_message = self._hear
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._start

    def run(self, seconds: float) -> Tally:
        """Runs until all devices are done or the time is over."""
        mqtt.connect(self._client, self._address)
        end = time.monotonic() + seconds
        swept = time.monotonic()
        while not self._stopped and (now := time.monotonic()) < end:
            if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise ConnectionError("the load lost its MQTT connection")
            if now - swept > 1:
                swept = now
                self._repeat(now)
        self._client.disconnect()
        return self.tally

    def _subscribe(self, client: Client, *rest: Any) -> None:
        verbs = ("commands", "accepted", "rejected")
        client.subscribe([(f"{self._root}/+/json/{verb}", 1) for verb in verbs])

    def _start(self, *rest: Any) -> None:
        for _ in range(self._in_flight):
            self._next()

    def _next(self) -> None:
        device_id = next(self._waiting, None)
        if device_id is None:
            self._stopped = not self._flights
            return
        made = self._pool[self._began % len(self._pool)]
        self._began += 1
        flight = Flight(device_id, made, time.monotonic())
        self._flights[device_id] = flight
        self._send(flight, "get", b'{"id":"1"}')

    def _send(self, flight: Flight, verb: str, payload: bytes) -> None:
        flight.topic, flight.payload = f"{self._root}/{flight.device_id}/json/{verb}", payload
        flight.sent = time.monotonic()
        self._client.publish(flight.topic, payload, qos=1)

    def _repeat(self, now: float) -> None:
        """WIRE.md 6.3, without the growing pauses: a lost message must not end the run."""
        for flight in self._flights.values():
            if now - flight.sent > self._repeat_after:
                self.tally.repeats += 1
                flight.sent = now
                self._client.publish(flight.topic, flight.payload, qos=1)

    def _hear(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        _, _, rest = message.topic.partition(f"{self._root}/")
        device_id, _, verb = rest.split("/")
        flight = self._flights.get(device_id)
        if flight is None:
            return
        body = json.loads(message.payload)
        self.tally.trips.append(time.monotonic() - flight.sent)
        if verb == "commands" and body["commands"]:
            results = [_result(command, flight.made) for command in body["commands"]]
            self._send(flight, "results", json.dumps({"id": "2", "results": results}).encode())
        elif verb == "accepted" and body["status"] == "PROVISIONED":
            self.tally.done.append(time.monotonic())
            del self._flights[device_id]
            self._next()
        else:
            self.tally.odd.append(f"{verb} {message.payload[:200]!r}")


def _result(command: dict[str, Any], made: Made) -> dict[str, object]:
    result: dict[str, object] = {"id": command["id"], "ok": True}
    if command["type"] == "clientPrivateKeyGeneration":
        result["value"] = {"publicKey": made.public_key}
    elif command["type"] == "certificateSigningRequest":
        result["value"] = {"csr": made.csr}
    return result
