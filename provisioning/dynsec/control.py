"""Speaks with Mosquitto's dynamic security plugin over its control topic. One connection a process."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from provisioning import mqtt
from provisioning.dynsec.records import Json

ASK = "$CONTROL/dynamic-security/v1"
ANSWER = f"{ASK}/response"
SECONDS = 10.0
"""For how long one answer is waited for."""

KEEPALIVE = 65_535
"""Seconds, the most there is: nobody pings between two changes. A connection that broke is seen at the next one."""

PAGE = 100


class NotDone(Exception):
    """The plugin did not do all that it was asked. It is asked again later."""


class Control:
    """A connection as the plugin's admin, made at the first question and again when it broke.

    Its network loop runs inside `ask`, as the publisher's does. `connections` counts those that were made: a broker
    that lost its file has lost its connections too.
    """

    def __init__(self, url: str) -> None:
        self._address = mqtt.parse(url)
        self._client: Client | None = None
        self._connected = False
        self._granted: bool | None = None
        self._answer: list[Json] | None = None
        self._refused = False
        self.connections = 0

    @property
    def alive(self) -> bool:
        """Whether the connection that asked before still stands."""
        client = self._client
        return client is not None and client.loop(0) == MQTTErrorCode.MQTT_ERR_SUCCESS and self._connected

    def ask(self, commands: Sequence[Json]) -> list[Json]:
        """The plugin's answers, one a command, whatever they say. Raises `NotDone`, also with no connection."""
        try:
            client = self._ready()
            self._answer, self._refused = None, False
            client.publish(ASK, json.dumps({"commands": list(commands)}), qos=1)
            self._wait(client, lambda: self._answer is not None or self._refused)
        except OSError as error:
            self.close()
            raise NotDone(f"The connection to the MQTT broker broke: {error}") from error
        answer: list[Json] = self._answer or []
        if len(answer) != len(commands):
            self._give_up()
        return answer

    def do(self, commands: Sequence[Json]) -> None:
        """Has these done, in this order. Raises `NotDone` with the first that was not."""
        for command, answer in zip(commands, self.ask(commands), strict=True):
            if "error" in answer:
                who = command.get("username", command.get("rolename"))
                raise NotDone(f"{command['command']} of {who} failed: {answer['error']}")

    def every(self, command: str, key: str) -> Iterator[Mapping[str, Any]]:
        """All that a command of lists gives under `key`, page by page. Raises `NotDone`."""
        offset, total = 0, 1
        while offset < total:
            answer: Any = self.ask([{"command": command, "verbose": True, "count": PAGE, "offset": offset}])[
                0
            ]
            if "error" in answer:
                raise NotDone(f"{command} failed: {answer['error']}")
            total = answer["data"]["totalCount"]
            yield from answer["data"][key]
            offset += PAGE

    def close(self) -> None:
        """Ends the connection: an answer that comes late must not be taken for another one's."""
        client, self._client = self._client, None
        self._connected, self._granted = False, None
        if client is not None:
            client.disconnect()

    def _ready(self) -> Client:
        client = self._client
        return client if client is not None and self.alive else self._connect()

    def _connect(self) -> Client:
        self.close()
        client = mqtt.client(self._address, f"keyseed-dynsec-{secrets.token_hex(8)}")
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._client = client
        mqtt.connect(client, self._address, keepalive=KEEPALIVE)
        self._wait(client, lambda: self._connected)
        client.subscribe(ANSWER, 1)
        self._wait(client, lambda: self._granted is not None)
        if not self._granted:
            self._give_up()
        self.connections += 1
        return client

    def _wait(self, client: Client, done: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not done():
            left = end - time.monotonic()
            if left <= 0 or client.loop(left) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._give_up()

    def _give_up(self) -> NoReturn:
        self.close()
        raise NotDone(
            f"Mosquitto's dynamic security plugin at {self._address.host}:{self._address.port} does not answer: "
            f"is it loaded there, and is {self._address.user} its admin (KEYSEED_MOSQUITTO_DYNSEC)?"
        )

    # ---- paho calls these from within `loop`

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected = not reason.is_failure

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected = False

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        self._granted = not any(reason.is_failure for reason in reasons)

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._refused = bool(reason.is_failure)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            self._answer = json.loads(message.payload)["responses"]
        except (ValueError, KeyError, TypeError):
            self._answer = []
