"""A device's status and what a `get` may bring, written a second time from the sentences of the design."""

from __future__ import annotations

from collections.abc import Sequence

from commands.machine import Command


def current(commands: Sequence[Command], closed_through: int) -> list[Command]:
    """The commands after the last `finished` that SUCCEEDED, without the SKIPPED ones."""
    return [c for c in commands if c.position > closed_through and str(c.state) != "SKIPPED"]


def undecided(command: Command, among: Sequence[Command]) -> bool:
    """Between SUCCEEDED and the child's standing there, a CSR with `issue` is undecided."""
    if command.type != "certificateSigningRequest" or command.issue not in ("auto", "manual"):
        return False
    stands = [other for other in among if other.position == command.position and other is not command]
    return str(command.state) == "SUCCEEDED" and not stands


def status(commands: Sequence[Command], closed_through: int, blocked: bool) -> str:
    """The word for a list; `closed_through` is the position of the last `finished` that SUCCEEDED, or 0."""
    run = current(commands, closed_through)
    words = [str(command.state) for command in run]
    if blocked:
        return "BLOCKED"
    if "FAILED" in words:
        return "ERROR"
    if words.count("PENDING") == len(words):
        return "PROVISIONED" if closed_through else "READY"
    not_done = [c for c in run if str(c.state) != "SUCCEEDED" or undecided(c, run)]
    if not_done and undecided(not_done[0], run) and not_done[0].issue == "manual":
        return "AWAITING"
    return "PROVISIONING" if {"PENDING", "IN_PROGRESS"} & set(words) else "AWAITING"


def servable(commands: Sequence[Command], closed_through: int, blocked: bool) -> list[Command]:
    """What a `get` without bounds would bring. Source: WIRE.md 2.2, 2.3."""
    if status(commands, closed_through, blocked) in ("BLOCKED", "ERROR"):
        return []
    run, brought = current(commands, closed_through), list[Command]()
    for command in run:
        if undecided(command, run):
            return brought
        if str(command.state) in ("PENDING", "IN_PROGRESS"):
            brought.append(command)
            if command.type == "finished" or command.issue:
                return brought
    return brought
