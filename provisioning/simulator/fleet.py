"""A fleet of simulated devices and its owner: made over REST, provisioned over MQTT, checked over REST.

Everything of the devices runs on one event loop; the owner's blocking calls run on a few threads beside it.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar, TypeVarTuple

from provisioning.simulator.connection import Broker
from provisioning.simulator.faults import NONE, Faults
from provisioning.simulator.formats import Format
from provisioning.simulator.material import Authority, CommandBody, Plan, client_certificate, plan
from provisioning.simulator.member import Member, Way
from provisioning.simulator.owner import Owner, OwnerError
from provisioning.simulator.ports import Timing
from provisioning.simulator.summary import PROVISIONED, Fate, Summary

THREADS = 8

# A device hears of new work by notify; where that is lost, its own interval finds it. In the field that is an
# hour, which nobody wants to watch.
TIMING = Timing(interval=10)

TIMED_OUT = "TIMED OUT"
NO_OWNER = "UNKNOWN"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Settings:
    """What to simulate: `parallel` devices at a time, each for at most `timeout` seconds."""

    devices: int
    broker: Broker
    format: Format = Format.JSON
    parallel: int = 50
    timeout: float = 120.0
    timing: Timing = TIMING
    faults: Faults = NONE
    root: str = "prov/v1"
    keep: bool = False


class Watcher(Protocol):
    """Is told when a device moves: from None when it is made, and last to the status of its fate."""

    def moved(self, old: str | None, new: str) -> None: ...


class Fleet:
    """Runs once, in the loop that calls `run`."""

    def __init__(self, settings: Settings, owner: Owner, watcher: Watcher) -> None:
        self.settings = settings
        self.owner = owner
        self.watcher = watcher
        self.authority = Authority()
        self.batch = secrets.token_hex(3)  # tells this fleet's serial numbers from another's
        self.summary = Summary(settings.devices)
        self.threads = ThreadPoolExecutor(THREADS, "simulator")
        self.way = Way(
            settings.broker, self.threads, settings.format, settings.root, settings.timing, settings.faults
        )
        self.task: asyncio.Task[object] | None = None

    async def run(self) -> Summary:
        """All devices. When it is stopped or cancelled, the summary holds what there is so far."""
        self.task = asyncio.current_task()
        started = time.monotonic()
        indices = iter(range(self.settings.devices))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.settings.parallel, self.settings.devices)):
                    group.create_task(self._lane(indices))
        except asyncio.CancelledError:
            self.summary.interrupted = True
        finally:
            self.summary.seconds = time.monotonic() - started
            self.threads.shutdown(wait=False)
        return self.summary

    def stop(self) -> None:
        """End early; devices under way are taken down, and no call to the owner's side is repeated."""
        self.owner.hurry.set()
        if self.task is not None:
            self.task.cancel()

    async def call(self, what: Callable[[*Ts], T], *args: *Ts) -> T:
        """Make one of the owner's calls, on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, what, *args)

    async def _lane(self, indices: Iterator[int]) -> None:
        for index in indices:
            await Life(self, index).live()


class Life:
    """One device of a fleet, from its making to its end."""

    def __init__(self, fleet: Fleet, index: int) -> None:
        self.fleet = fleet
        self.index = index
        self.device = ""  # until it is made
        self.status: str | None = None
        self.trouble = ""  # the last one with its connection

    async def live(self) -> None:
        """Make it, provision it, add its fate to the summary, take it down."""
        try:
            fate = await self._fate()
        finally:
            if self.device and not self.fleet.settings.keep:
                with contextlib.suppress(OwnerError):
                    await self.fleet.call(self.fleet.owner.delete, self.device)
        self._move(fate.status)
        self.fleet.summary.fates.append(fate)

    async def _fate(self) -> Fate:
        try:
            async with asyncio.timeout(self.fleet.settings.timeout):
                status = await self._provision()
        except TimeoutError:
            status = TIMED_OUT
        except OwnerError as error:
            return Fate(self.device or f"number {self.index}", NO_OWNER, str(error))
        return Fate(self.device, status, "" if status == PROVISIONED else await self._why())

    async def _provision(self) -> str:
        """The service's status of the device when nothing more is to come. Raises OwnerError."""
        fleet = self.fleet
        await self._define()
        secret = await fleet.call(fleet.owner.password, self.device)
        todo = plan(self.index, self.device, fleet.authority)
        await fleet.call(fleet.owner.add, self.device, todo.first)
        member = Member(fleet.way, self.device, secret)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(member.run())
            try:
                return await self._follow(member, todo)
            finally:
                running.cancel()
                self.trouble = member.trouble
                fleet.summary.trips.extend(member.trips)

    async def _define(self) -> None:
        """Also when cancelled in the middle of it, the id is known, so that the device can be taken down."""
        name, serial = f"simulated {self.index}", f"SIM-{self.fleet.batch}-{self.index}"
        making = asyncio.ensure_future(self.fleet.call(self.fleet.owner.define, name, serial))
        try:
            self.device = await asyncio.shield(making)
        except asyncio.CancelledError:
            with contextlib.suppress(OwnerError):
                self.device = await making
            raise
        self._move("READY")

    async def _follow(self, member: Member, todo: Plan) -> str:
        """Sign its CSR when it has made one. What it ends as, the service says, not the device."""
        rest = todo.after_csr
        while True:
            said = await member.said.get()
            self._move(said)
            if said in {PROVISIONED, "ERROR"}:
                return str((await self.fleet.call(self.fleet.owner.device, self.device))["status"])
            if said == "AWAITING" and rest is not None and await self._sign(rest):
                rest = None

    async def _sign(self, rest: Sequence[CommandBody]) -> bool:
        """Give the device the certificate for its CSR and what is to follow, if there is a CSR."""
        csr = await self.fleet.call(self.fleet.owner.csr, self.device)
        if csr is None:
            return False
        signed = client_certificate(csr, self.fleet.authority)
        await self.fleet.call(self.fleet.owner.add, self.device, (signed, *rest))
        return True

    async def _why(self) -> str:
        """What the service says, and what the connection said where that is all there is."""
        if not self.device:
            return "the owner's side took too long"
        try:
            said = await self.fleet.call(self.fleet.owner.explain, self.device)
            why = f"{said.get('why', '')} {said.get('next', '')}".strip()
        except OwnerError as error:
            why = str(error)
        return f"{why} (last trouble with the connection: {self.trouble})" if self.trouble else why

    def _move(self, new: str) -> None:
        if new != self.status:
            self.fleet.watcher.moved(self.status, new)
            self.status = new
