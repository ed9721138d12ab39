"""The sessions that are signed in, and which message goes to whom.

amqtt scans all subscriptions for each message (and loses the message when one is added meanwhile), queues
without bounds, forgets what is not acknowledged within 5 s, and leaves a taken-over session open and deaf. So
a message goes straight from its sender's handler to its receivers' here; amqtt's queues, retained messages
and subscriptions stay empty.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amqtt.mqtt.constants import QOS_0, QOS_1, QOS_2
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import MQTTPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.mqtt.suback import SubackPayload
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.plugins.manager import PluginManager

from provisioning.embedded import rules
from provisioning.embedded.limits import Limits
from provisioning.embedded.rules import Device, Identity
from provisioning.embedded.stream import PacketWriter

if TYPE_CHECKING:
    from amqtt.broker import BrokerContext

logger = logging.getLogger(__name__)

# A client that does one thing wrong a thousand times a second is worth a few lines a minute.
_COMPLAINTS_A_MINUTE = 5


@dataclass(frozen=True, slots=True)
class Message:
    """A message on its way, and the session it came from."""

    topic: str
    data: bytes
    qos: int
    source: "SessionHandler"


class SessionHandler(BrokerProtocolHandler):
    """One signed-in session: answers its packets, and sends it what it subscribed to.

    No method waits: what would is bounded instead, by `limits`. `ended` is set once the connection is over.
    """

    def __init__(
        self,
        plugins: "PluginManager[BrokerContext]",
        *,
        identity: Identity,
        client_id: str,
        out: PacketWriter,
        router: "Router",
        limits: Limits,
    ) -> None:
        super().__init__(plugins)
        self.identity = identity
        self.client_id = client_id
        self.ended = asyncio.Event()
        self.waiting = 0
        self._out = out
        self._router = router
        self._limits = limits
        self._backlog = limits.device if isinstance(identity, Device) else limits.service
        self._filters: dict[str, int] = {}
        self._in_flight: dict[int, Message] = {}
        self._last_packet_id = 0
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._unreleased: set[int] = set()
        self._complaints = 0
        self._complaints_since = 0.0

    # What the client sends

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Route a message, then acknowledge it; also one that is not allowed, as Mosquitto does."""
        packet_id, qos = publish_packet.packet_id or 0, publish_packet.qos or QOS_0
        if qos != QOS_2 or self._first_time(packet_id):
            topic, data = publish_packet.topic_name or "", publish_packet.data or b""
            if publish_packet.retain_flag:
                self.complain("dropped a RETAIN message on %.200r (WIRE.md 1.4)", topic)
            else:
                self._router.publish(Message(topic, data, qos, self))
        if qos == QOS_1:
            self._send(PubackPacket.build(packet_id))
        elif qos == QOS_2:
            self._send(PubrecPacket.build(packet_id))

    def _first_time(self, packet_id: int) -> bool:
        """MQTT 3.1.1 section 4.3.3, method B: a QoS 2 message counts once until it is released."""
        if packet_id in self._unreleased:
            return False
        self._unreleased.add(packet_id)
        if len(self._unreleased) > self._limits.unreleased:
            self.end("%d QoS 2 messages wait for their PUBREL", len(self._unreleased))
        return True

    async def handle_pubrel(self, pubrel: PubrelPacket) -> None:
        self._unreleased.discard(pubrel.packet_id)
        self._send(PubcompPacket.build(pubrel.packet_id))

    async def handle_puback(self, puback: PubackPacket) -> None:
        header = puback.variable_header
        message = self._in_flight.pop(header.packet_id, None) if header else None
        if message is None:
            return
        message.source.waiting -= 1
        while self._queue and self._may_send():
            queued = self._queue.popleft()
            self._queued_bytes -= len(queued.data)
            self._send_counted(queued)

    async def handle_subscribe(self, subscribe: SubscribePacket) -> None:
        if subscribe.variable_header and subscribe.payload:
            codes = [self._subscribe(topic_filter, qos) for topic_filter, qos in subscribe.payload.topics]
            await self.mqtt_acknowledge_subscription(subscribe.variable_header.packet_id, codes)

    def _subscribe(self, topic_filter: str, qos: int) -> int:
        full = len(self._filters) >= self._limits.subscriptions and topic_filter not in self._filters
        if full or not self._router.may_subscribe(self.identity, topic_filter):
            self.complain("refused the subscription %.200r", topic_filter)
            return SubackPayload.RETURN_CODE_80
        # QoS 1 both ways (WIRE.md 1.4); a broker may grant less than was asked.
        self._filters[topic_filter] = min(qos, QOS_1)
        return self._filters[topic_filter]

    async def handle_unsubscribe(self, unsubscribe: UnsubscribePacket) -> None:
        if unsubscribe.variable_header and unsubscribe.payload:
            for topic_filter in unsubscribe.payload.topics:
                self._filters.pop(topic_filter, None)
            await self.mqtt_acknowledge_unsubscription(unsubscribe.variable_header.packet_id)

    async def handle_disconnect(self, disconnect: DisconnectPacket | None) -> None:
        """Also at the end of the connection. amqtt's own waiter is missed by a client that leaves at once."""
        self.ended.set()

    # What the client hears

    def granted(self, topic: str) -> int | None:
        """The QoS this session subscribed to a topic with, or None if it did not."""
        return max((qos for held, qos in self._filters.items() if rules.matches(held, topic)), default=None)

    def deliver(self, message: Message, granted: int) -> None:
        """Send a message, or queue it behind those that are not acknowledged yet."""
        if min(message.qos, granted) == QOS_0:
            if self._out.backlog < self._limits.unsent_bytes:
                self._send(PublishPacket.build(message.topic, message.data, None, False, QOS_0, False))
        elif not self._queue and self._may_send():
            message.source.waiting += 1
            self._send_counted(message)
        elif self._has_room(message):
            message.source.waiting += 1
            self._queued_bytes += len(message.data)
            self._queue.append(message)
        elif isinstance(self.identity, Device):
            self.end("it acknowledges nothing and %d messages wait", len(self._queue))
        else:
            self.complain(
                "it is too slow: messages are dropped, %d wait; devices repeat theirs", len(self._queue)
            )

    def _may_send(self) -> bool:
        """With nothing in flight always, for it is an acknowledgement that sends what is queued."""
        fits = (
            len(self._in_flight) < self._backlog.in_flight and self._out.backlog < self._limits.unsent_bytes
        )
        return fits or not self._in_flight

    def _has_room(self, message: Message) -> bool:
        fits = self._queued_bytes + len(message.data) <= self._backlog.queued_bytes
        return fits and len(self._queue) < self._backlog.queued

    def _send_counted(self, message: Message) -> None:
        packet_id = self._free_packet_id()
        self._in_flight[packet_id] = message
        self._send(PublishPacket.build(message.topic, message.data, packet_id, False, QOS_1, False))

    def _free_packet_id(self) -> int:
        while True:
            self._last_packet_id = self._last_packet_id % 0xFFFF + 1
            if self._last_packet_id not in self._in_flight:
                return self._last_packet_id

    def _send(self, packet: MQTTPacket[Any, Any, Any]) -> None:
        self._out.write(packet.to_bytes())

    async def _send_packet(self, packet: MQTTPacket[Any, Any, Any]) -> None:
        """In place of amqtt's, which waits for the peer to read, and lets tasks pile up that do so too."""
        self._send(packet)

    # The end of it

    def end(self, reason: str, *details: object) -> None:
        """Cut the connection at once."""
        self.complain(f"ended: {reason}", *details)
        self._out.abort()

    def release(self) -> None:
        """Let go of what waits; the session hears and counts nothing any more."""
        for message in (*self._in_flight.values(), *self._queue):
            message.source.waiting -= 1
        self._filters.clear()
        self._in_flight.clear()
        self._queue.clear()
        self._queued_bytes = 0

    def complain(self, text: str, *details: object) -> None:
        """Tell the log what a developer of this client should know, a few times a minute."""
        now = time.monotonic()
        if now - self._complaints_since > 60:
            self._complaints_since, self._complaints = now, 0
        self._complaints += 1
        if self._complaints <= _COMPLAINTS_A_MINUTE:
            level = logging.INFO if isinstance(self.identity, Device) else logging.WARNING
            logger.log(level, "session %s: %s", self.client_id, text % details)


class Router:
    """Sends each message to the sessions it is for: those of its device and those of the service."""

    def __init__(self, root: str, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._of_devices: dict[str, dict[str, SessionHandler]] = {}
        self._of_service: dict[str, SessionHandler] = {}

    def add(self, session: SessionHandler) -> None:
        """Enter a session. An older one with its client id ends, and a device's oldest if it has too many."""
        if isinstance(session.identity, Device):
            siblings = self._of_devices.setdefault(session.identity.id, {})
        else:
            siblings = self._of_service
        self._end(siblings, session.client_id, "the same client id signed in again")
        siblings[session.client_id] = session
        if siblings is not self._of_service and len(siblings) > self._limits.sessions_per_device:
            self._end(siblings, next(iter(siblings)), "the device has too many sessions")

    @staticmethod
    def _end(siblings: dict[str, SessionHandler], client_id: str, reason: str) -> None:
        session = siblings.pop(client_id, None)
        if session is not None:
            session.release()
            session.end(reason)

    def remove(self, session: SessionHandler) -> None:
        """Strike a session out, unless another has its place already."""
        session.release()
        device_id = session.identity.id if isinstance(session.identity, Device) else None
        siblings = self._of_service if device_id is None else self._of_devices.get(device_id, {})
        if siblings.get(session.client_id) is session:
            del siblings[session.client_id]
        if device_id is not None and not siblings:
            self._of_devices.pop(device_id, None)

    def may_subscribe(self, identity: Identity, topic_filter: str) -> bool:
        return rules.subscribe_allowed(identity, topic_filter, self._root)

    def publish(self, message: Message) -> None:
        """Route a message, or drop it: not its sender's topic, or too many of the sender's wait already."""
        source = message.source
        device_id = rules.device_of(message.topic, self._root)
        if device_id is None or not rules.publish_allowed(source.identity, message.topic, self._root):
            source.complain(
                "dropped a message on %.200r, which is not its topic (WIRE.md 1.3)", message.topic
            )
        elif isinstance(source.identity, Device) and source.waiting >= self._limits.waiting_per_session:
            source.complain("dropped a message: %d are not taken yet", source.waiting)
        else:
            # Only a topic's own device is asked, so a device hears its own topics alone (WIRE.md 1.3).
            for session in (*self._of_devices.get(device_id, {}).values(), *self._of_service.values()):
                granted = session.granted(message.topic)
                if granted is not None:
                    session.deliver(message, granted)
