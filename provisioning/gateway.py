"""Takes messages from MQTT and hands them to Celery in batches. One thread, no rules, no database.

A batch is handed over only while few batches wait, so that an idle service answers a single message at once and
a busy one makes its batches bigger by itself. The broker gets its acknowledgement when the queue has the message.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from provisioning import mqtt
from provisioning.messages import Inbound
from provisioning.tasks import Packed, pack
from provisioning.wire import topics

log = logging.getLogger(__name__)

QUEUE = "inbound"
TASK = "provisioning.inbound"
WAITING_MOST = 2
"""Batches in the queue above which the gateway gathers instead: one a worker is busy with does not count."""

BATCH_BYTES = 1024 * 1024
GATHER_SECONDS = 0.002
IDLE_SECONDS = 0.5
RETRY_SECONDS = 1.0
HELD_BYTES = 64 * 1024 * 1024
"""What may be held of messages that the broker cannot be told to keep back: QoS 0, and all of MQTT 3.1.1."""

HELD_OVERHEAD = 1024
"""Bytes that a message takes besides its payload, roughly."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that the queue does not have yet. `session` tells on which connection `mid` means it."""

    packed: Packed
    mid: int
    session: int

    @property
    def size(self) -> int:
        return HELD_OVERHEAD + len(self.packed[1])


class Queue:
    """The Celery queue that the workers take batches from."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connect()

    def waiting(self) -> int:
        """How many batches no worker has taken yet."""
        channel: Any = self._connection.default_channel
        return int(channel.queue_declare(queue=QUEUE).message_count)

    def put(self, batch: list[Packed]) -> None:
        """Hands a batch over; when this returns the queue has it."""
        summary = f"{len(batch)} messages"
        self._app.send_task(
            TASK, (batch,), queue=QUEUE, argsrepr=summary, producer=self._producer, retry=False
        )

    def reconnect(self) -> None:
        """After an error: the old connection may be half dead."""
        self._connection.release()
        self._connect()

    def _connect(self) -> None:
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)


class Gateway:
    """One MQTT session that receives what devices send.

    `group` names a shared subscription; without one only a single gateway may run. `on_ready` is called at every
    SUBACK.
    """

    def __init__(
        self,
        url: str,
        root: str,
        queue: Queue,
        *,
        group: str = "",
        batch: int = 500,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._address = mqtt.parse(url)
        self._root, self._group, self._batch = root, group, batch
        self._queue, self._on_ready = queue, on_ready
        self._held: list[_Held] = []
        self._held_bytes = self._dropped = 0
        self._retry_at = 0.0
        self._session = 0
        self._stopping = False
        self._client = mqtt.client(self._address, f"keyseed-gateway-{secrets.token_hex(8)}", manual_ack=True)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._hold

    def run(self) -> None:
        """Receives and hands over until `stop`. Survives the loss of the broker and of the queue."""
        while not self._stopping:
            try:
                self._session += 1
                mqtt.connect(self._client, self._address, receive_maximum=2 * self._batch)
                self._serve()
            except OSError as error:
                log.warning("No MQTT broker at %s:%d: %s", self._address.host, self._address.port, error)
            if not self._stopping:
                time.sleep(RETRY_SECONDS)
        self._client.disconnect()

    def stop(self) -> None:
        """Makes `run` return; what was not acknowledged is the broker's to deliver or the device's to repeat."""
        self._stopping = True

    def _serve(self) -> None:
        wait = IDLE_SECONDS
        while not self._stopping and self._client.loop(wait) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._drain()
            wait = self._hand_over()
        if not self._stopping:
            log.warning("The connection to the MQTT broker broke")

    def _drain(self) -> None:
        """Reads what has arrived already: `loop` takes one packet at a time."""
        before = -1
        while before < len(self._held) < 2 * self._batch:
            before = len(self._held)
            self._client.loop_read()

    def _hand_over(self) -> float:
        """Hands over what it can; the seconds for which the gateway may wait for more."""
        while self._held:
            if (wait := self._retry_at - time.monotonic()) > 0:
                return wait
            try:
                if self._queue.waiting() >= WAITING_MOST:
                    return GATHER_SECONDS
                batch = self._next()
                self._queue.put([held.packed for held in batch])
            except Exception as error:  # noqa: BLE001 - whatever the broker raises, the messages stay ours
                log.warning(
                    "The Celery broker does not take messages (%s): trying again", type(error).__name__
                )
                self._queue.reconnect()
                self._retry_at = time.monotonic() + RETRY_SECONDS
                return RETRY_SECONDS
            self._let_go(batch)
        return IDLE_SECONDS

    def _let_go(self, batch: list[_Held]) -> None:
        self._held = self._held[len(batch) :]
        self._held_bytes -= sum(held.size for held in batch)
        self._acknowledge(batch)
        if self._dropped:
            log.warning("%d messages were dropped while the queue took none", self._dropped)
            self._dropped = 0

    def _next(self) -> list[_Held]:
        size = 0
        for count, held in enumerate(self._held[: self._batch]):
            size += len(held.packed[1])
            if size > BATCH_BYTES and count:
                return self._held[:count]
        return self._held[: self._batch]

    def _acknowledge(self, batch: list[_Held]) -> None:
        for held in batch:
            if held.session == self._session and held.mid:
                self._client.ack(held.mid, 1)

    # ---- paho calls these from within `loop`

    def _subscribe(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.error("The MQTT broker refuses the gateway: %s. Check user and password in MQTT_URL.", reason)
            return
        share = f"$share/{self._group}/" if self._group else ""
        client.subscribe([(share + wanted, 1) for wanted in topics.subscriptions(self._root)])

    def _subscribed(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("The MQTT broker refuses the gateway's subscription. Check its access list.")
            client.disconnect()  # and again after a while: an access list can be mended
            return
        self._on_ready()

    def _hold(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        if message.retain:
            # A retained message is nobody's request (WIRE.md 1.4).
            self._client.ack(message.mid, message.qos)
            return
        if self._held_bytes > HELD_BYTES and not (self._address.five and message.qos):
            # Its device will ask again; our memory would not come back.
            self._client.ack(message.mid, message.qos)
            self._dropped += 1
            return
        correlation = getattr(message.properties, "CorrelationData", None)
        inbound = Inbound(message.topic, bytes(message.payload), datetime.now(UTC), correlation)
        held = _Held(pack(inbound), message.mid if message.qos else 0, self._session)
        self._held.append(held)
        self._held_bytes += held.size
