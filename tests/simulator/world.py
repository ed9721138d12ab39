"""A device, a service and the network between them, in simulated time. Holds what must hold at every step."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioning.simulator.device import KEY_MAKING, Device, Hold, Link, State
from provisioning.simulator.formats import Command, Failed, Format, Ok, Outcome
from provisioning.simulator.ports import (
    Done,
    Execute,
    Output,
    Profile,
    Publish,
    Subscribe,
    Timing,
    Wait,
)

from .service import ID, Service

TRANSIT = 0.01

# When a message arrives, in seconds after it was sent; () is a loss, two are a duplicate.
Arrivals = tuple[float, ...]


@dataclass
class World:
    """`fates` by the number of the message, counted over both directions in the order of sending."""

    service: Service
    fates: Mapping[int, Arrivals] = field(default_factory=dict)
    outcome: Callable[[Command, int], Outcome] | None = None
    jitter: float = 0.5
    timing: Timing = field(default_factory=Timing)
    storage: dict[str, bytes] = field(default_factory=dict)

    stuck: bool = False  # no command comes to an end
    now: float = 0.0
    sent: int = 0
    boots: int = 0
    keys: int = 0
    said: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # correlation ids, in the order of execution
    done_in_boot: list[str] = field(default_factory=list)
    outstanding: bytes | None = None
    waiting: float | None = None
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.boot()

    # What a test does

    def boot(self) -> None:
        """Power off and on: what is not in storage is gone."""
        self.boots += 1
        self.done_in_boot = []
        self.outstanding = None
        self.waiting = None
        profile = Profile(ID, f"boot{self.boots}", Format(self.service.form))
        self.device = Device(profile, self.storage, self.timing)

    def connect(self) -> None:
        self.carry_out(self.device.connected())

    def disconnect(self) -> None:
        self.waiting = None
        self.carry_out(self.device.disconnected())

    def reconnect(self) -> None:
        self.disconnect()
        self.connect()

    def down(self, message: tuple[str, bytes]) -> None:
        """The service sends a message."""
        self.travel(lambda: self.deliver(*message))

    def run(self, seconds: float = 7200, *, steps: int = 10_000) -> None:
        """Until nothing moves any more but the device's own interval, or so many seconds passed."""
        end = self.now + seconds
        for _ in range(steps):
            at = self.next_at()
            if at is None or at > end or (self.quiet() and not self.events):
                return
            self.step()
        raise AssertionError("this never comes to rest")

    def step(self) -> bool:
        """The next thing that happens; False if nothing will."""
        at = self.next_at()
        if at is None:
            return False
        self.now = max(self.now, at)
        if self.events and self.events[0][0] <= at:
            heapq.heappop(self.events)[2]()
        else:
            self.waiting = None
            self.carry_out(self.device.tick(self.now, self.jitter))
        return True

    def quiet(self) -> bool:
        """The device is idle, and only its own interval will wake it."""
        resting = self.device.state is State.IDLE and self.device.hold is Hold.NONE
        return resting and self.device.deadline - self.now > self.timing.interval / 2

    # How it works

    def next_at(self) -> float | None:
        times = [self.events[0][0]] if self.events else []
        times += [self.waiting] if self.waiting is not None else []
        return min(times, default=None)

    def travel(self, arrive: Callable[[], None]) -> None:
        for after in self.fates.get(self.sent, (TRANSIT,)):
            heapq.heappush(self.events, (self.now + after, self.number(), arrive))
        self.sent += 1

    def number(self) -> int:
        """Breaks ties, first sent first."""
        self.ties = getattr(self, "ties", 0) + 1
        return self.ties

    def carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Subscribe():
                    self.carry_out(self.device.subscribed(self.now, self.jitter))
                case Publish(topic, payload):
                    self.publish(topic, payload)
                case Execute(command):
                    self.execute(command)
                case Wait(until):
                    self.waiting = until
                case Done(status):
                    self.said.append(status)

    def publish(self, topic: str, payload: bytes) -> None:
        assert self.device.link is Link.UP, "nothing is sent before SUBACK (WIRE.md 6.3)"
        assert self.outstanding in (None, payload), (
            "one request outstanding, repeated as it was (WIRE.md 6.3)"
        )
        self.outstanding = payload
        self.travel(lambda: self.reach(topic, payload))

    def reach(self, topic: str, payload: bytes) -> None:
        for answer in self.service.receive(topic, payload):
            self.travel(lambda answer=answer: self.deliver(*answer))  # type: ignore[misc]

    def deliver(self, topic: str, payload: bytes) -> None:
        before = self.device.request
        # The device is looked at only here: its request is answered when it lets go of it.
        outputs = self.device.message(topic, payload, self.now, self.jitter)
        if before is not None and self.device.request is not before:
            self.outstanding = None
        self.carry_out(outputs)

    def execute(self, command: Command) -> None:
        assert command.id not in self.done_in_boot, "once within a boot (WIRE.md 6.2)"
        self.done.append(command.id)
        self.done_in_boot.append(command.id)
        if self.stuck:
            return
        result = (self.outcome or succeed)(command, self.keys)
        if command.type in KEY_MAKING and isinstance(result, Ok):
            self.keys += 1
        self.carry_out(self.device.executed(command.id, result, self.now, self.jitter))


def succeed(command: Command, number: int) -> Outcome:
    """Every key is another one."""
    return Ok({"publicKey": f"key {number}"}) if command.type in KEY_MAKING else Ok()


def fail_type(kind: str) -> Callable[[Command, int], Outcome]:
    """An outcome function under which commands of this type fail."""
    return lambda command, number: Failed(4, "no") if command.type == kind else succeed(command, number)


LIST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("clientPrivateKeyGeneration", {"secTag": 1}),
    ("serverCertificate", {"secTag": 1, "content": "PEM"}),
    ("config", {"a": "b"}),
    ("finished", {}),
)


def world(form: str = "json", limit: int = 10, **more: Any) -> World:
    """A device with the usual list."""
    service = Service(form, limit=limit)
    service.add(*LIST)
    return World(service, **more)
