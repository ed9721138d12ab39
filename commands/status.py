"""A device's status is computed here, from its run and its blocked flag, and nowhere assigned.

`RULES` is read from the top; the first rule that holds gives the status.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commands.machine import Command, Kind, State
from devices.status import Status


@dataclass(frozen=True, slots=True)
class Run:
    """The commands behind the last `finished` that SUCCEEDED, in order, children behind their parents.

    `closed_through` is that `finished`'s position, 0 if there is none. `blocked`: the owner blocked the device.
    """

    commands: tuple[Command, ...] = ()
    closed_through: int = 0
    blocked: bool = False

    @property
    def counted(self) -> list[Command]:
        """Its commands without the SKIPPED ones, which count as if they were not there."""
        return [command for command in self.commands if command.state is not State.SKIPPED]


def undecided(command: Command, counted: Sequence[Command]) -> bool:
    """Whether this CSR SUCCEEDED and its certificate does not stand yet: nothing behind it is served."""
    if command.issue is None or command.state is not State.SUCCEEDED or command.kind is not Kind.CSR:
        return False
    return not any(other.child and other.position == command.position for other in counted)


def _waits(run: Run, counted: Sequence[Command]) -> bool:
    first = next((c for c in counted if c.open or undecided(c, counted)), None)
    if first is not None and first.issue == "manual" and undecided(first, counted):
        return True
    return not any(command.open for command in counted)


def _untouched(run: Run, counted: Sequence[Command]) -> bool:
    return all(command.state is State.PENDING for command in counted)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the status function: when it holds and what it says to a reader."""

    status: Status
    when: str
    holds: Callable[[Run, Sequence[Command]], bool]


RULES: tuple[Rule, ...] = (
    Rule(Status.BLOCKED, "the device is blocked", lambda run, _counted: run.blocked),
    Rule(
        Status.ERROR,
        "some command of the run is FAILED (nothing is served)",
        lambda _run, counted: any(command.state is State.FAILED for command in counted),
    ),
    Rule(
        Status.PROVISIONED,
        "every command of the run is PENDING, or the run is empty, and a `finished` SUCCEEDED before it",
        lambda run, counted: run.closed_through > 0 and _untouched(run, counted),
    ),
    Rule(
        Status.READY,
        "every command of the run is PENDING, or the run is empty, and no `finished` SUCCEEDED",
        _untouched,
    ),
    Rule(
        Status.AWAITING,
        "no command of the run is open, or the first one not done is an undecided CSR that waits for a person",
        _waits,
    ),
    Rule(Status.PROVISIONING, "otherwise", lambda _run, _counted: True),
)


def status(run: Run) -> Status:
    """The device's status: the first of `RULES` that holds."""
    counted = run.counted
    return next(rule.status for rule in RULES if rule.holds(run, counted))
