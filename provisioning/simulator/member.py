"""One running device: the reference client, its credentials, its line and its connection."""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from random import Random

from provisioning.simulator.connection import Broker, Connection
from provisioning.simulator.device import Device, Request
from provisioning.simulator.faults import NONE, Faults, Line
from provisioning.simulator.formats import Format
from provisioning.simulator.ports import (
    Done,
    Execute,
    Output,
    Profile,
    Publish,
    Subscribe,
    Timing,
    Wait,
    spread,
)
from provisioning.simulator.work import Store, Worker

# Seconds between sign-ins. The first is short: a broker may learn of a new device a moment after its making.
FIRST_RECONNECT = 0.25
LONGEST_RECONNECT = 10.0

DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class Way:
    """How devices of a fleet reach the service."""

    broker: Broker
    threads: Executor
    format: Format = Format.JSON
    root: str = "prov/v1"
    timing: Timing = DEFAULT_TIMING
    faults: Faults = NONE


class Member:
    """Runs from `run` until that is cancelled. `said` gets the statuses that the device hears of."""

    def __init__(self, way: Way, device: str, secret: str) -> None:
        self.way = way
        self.id = device
        self.secret = secret
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.trips: list[float] = []  # seconds from a request to its answer
        self.trouble = ""  # the last one with the connection
        self.store = Store()
        self.worker = Worker(self.store, device)
        self.line = Line(way.faults, device)
        self.random = Random()  # noqa: S311 - jitter is no secret
        self.device = Device(Profile(device, secrets.token_hex(4), way.format, way.root), {}, way.timing)
        self.loop = asyncio.get_running_loop()
        self.connection: Connection | None = None
        self.gone = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None
        self.asked: tuple[Request | None, float] = (None, 0.0)

    async def run(self) -> None:
        """Sign in, and again whenever the connection is gone."""
        attempt = 0
        while True:
            try:
                await self._session()
                attempt = 0
            except OSError as error:
                self.trouble = str(error)
                attempt += 1
            pause = min(FIRST_RECONNECT * 2.0 ** min(attempt, 16), LONGEST_RECONNECT)
            await asyncio.sleep(pause * spread(self.random.random()))

    async def _session(self) -> None:
        """From sign-in to the loss of the connection. Raises OSError if there was no sign-in."""
        self.gone.clear()
        connection = Connection(self.way.broker, self.id, self.secret, self)
        try:
            await connection.open(self.way.threads)
            self.connection = connection
            self._carry_out(self.device.connected())
            await self.gone.wait()
        finally:
            self.connection = None
            if self.timer is not None:
                self.timer.cancel()
            connection.close()
            self.device.disconnected()

    # What the connection tells

    def subscribed(self, granted: bool) -> None:
        """SUBACK. A device that may not read its own topics can only try again."""
        if granted:
            self._carry_out(self.device.subscribed(self.loop.time(), self.random.random()))
        else:
            self.trouble = "the broker refused the subscription"
            self.gone.set()

    def heard(self, topic: str, payload: bytes) -> None:
        """A message came, and goes through the faults of this device's line."""
        for arrival in self.line.down(payload):
            if arrival.after:
                self.loop.call_later(arrival.after, self._hear, topic, arrival.payload)
            else:
                self._hear(topic, arrival.payload)

    def lost(self) -> None:
        """The connection is gone."""
        self.trouble = "the broker hung up"
        self.gone.set()

    # What the client asks for

    def _hear(self, topic: str, payload: bytes) -> None:
        now = self.loop.time()
        outputs = self.device.message(topic, payload, now, self.random.random())
        request, since = self.asked
        if request is not None and self.device.request is not request:
            self.trips.append(now - since)
            self.asked = (None, 0.0)
        if any(isinstance(output, Execute) for output in outputs):
            self.said.put_nowait("PROVISIONING")  # what has been served is open (DESIGN.md, Device status)
        self._carry_out(outputs)

    def _tick(self) -> None:
        self._carry_out(self.device.tick(self.loop.time(), self.random.random()))

    def _carry_out(self, outputs: Iterable[Output]) -> None:
        todo = deque(outputs)
        while todo:
            match todo.popleft():
                case Subscribe(filters) if self.connection is not None:
                    self.connection.subscribe(filters)
                case Publish(topic, payload):
                    self._send(topic, payload)
                case Execute(command):
                    outcome = self.line.failure(command) or self.worker.do(command)
                    now, jitter = self.loop.time(), self.random.random()
                    todo.extend(self.device.executed(command.id, outcome, now, jitter))
                case Wait(until):
                    if self.timer is not None:
                        self.timer.cancel()
                    self.timer = self.loop.call_at(until, self._tick)
                case Done(status):
                    self.said.put_nowait(status)

    def _send(self, topic: str, payload: bytes) -> None:
        if self.device.request is not self.asked[0]:
            self.asked = (self.device.request, self.loop.time())
        for arrival in self.line.up(payload):
            if arrival.after:
                self.loop.call_later(arrival.after, self._publish, topic, arrival.payload)
            else:
                self._publish(topic, arrival.payload)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self.connection is not None:
            self.connection.publish(topic, payload)
