"""Says in sentences why a device stands where it stands and what to do next. Pure: no database, no framework.

`STATUSES` has the sentences for each status, `ERRORS` those for each reason of a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands import run as runs
from commands.device_errors import DEVICE_CODES, MODEM_CODES
from commands.machine import Command, ErrorCode, Kind, State
from commands.status import Run, status, undecided
from devices.status import Status


@dataclass(frozen=True, slots=True)
class Facts:
    """What the list does not say of a device. `address` is the topic on which it asks for commands.

    `credentials`: it has one to sign in with. `blocked_at` and `closed_at`, the last `finished`'s, are None
    where that is not known or never was.
    """

    device_id: UUID
    address: str
    claimed_at: datetime
    seen_at: datetime | None
    credentials: bool
    blocked_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The page `explain`: which command it is about and since when, if these are known."""

    status: Status
    why: str
    next: str
    command_id: UUID | None = None
    since: datetime | None = None


def explain(run: Run, facts: Facts) -> Explanation:
    """Why the device stands where it stands, and what its owner can do."""
    return STATUSES[status(run)](run, facts)


# ---- one function a status


def _blocked(run: Run, facts: Facts) -> Explanation:
    return Explanation(
        Status.BLOCKED,
        "You blocked the device: it gets nothing, and nothing of what it sends is stored.",
        "When it may go on, unblock it with POST …/unblock; its commands are as they were.",
        since=facts.blocked_at,
    )


def _error(run: Run, facts: Facts) -> Explanation:
    failed = next(command for command in run.counted if command.state is State.FAILED)
    assert failed.error is not None
    advice = ERRORS[failed.error.code]
    detail = failed.error.detail
    to_do = advice.next if detail is None else _device_advice(detail)
    return Explanation(
        Status.ERROR,
        f"Command {_named(failed)} failed: {advice.why.format(message=failed.error.message)} "
        "Nothing is served until that is settled.",
        to_do.format(**_calls(failed)),
        failed.id,
        failed.closed_at,
    )


def _ready(run: Run, facts: Facts) -> Explanation:
    if not run.counted:
        why = f"Nothing is asked of the device. {_seen(facts)}"
        return Explanation(Status.READY, why, _ADD, since=facts.claimed_at)
    first = run.counted[0]
    why = f"{_waiting(run)} for the device's next pull. {_seen(facts)}"
    return Explanation(Status.READY, why, _pull(facts), first.id, facts.claimed_at)


def _provisioned(run: Run, facts: Facts) -> Explanation:
    if not run.counted:
        why = "The device did everything up to its `finished`."
        return Explanation(Status.PROVISIONED, why, "There is nothing to do.", since=facts.closed_at)
    why = f"The device did everything up to its `finished`. {_waiting(run)} for its next pull. {_seen(facts)}"
    return Explanation(Status.PROVISIONED, why, _pull(facts), run.counted[0].id, facts.closed_at)


def _awaiting(run: Run, facts: Facts) -> Explanation:
    counted = run.counted
    waits = next((command for command in counted if undecided(command, counted)), None)
    if waits is not None and waits.issue == "manual":
        why = f"The request of command {_named(waits)} waits for somebody to approve or reject it."
        return Explanation(Status.AWAITING, why, "Approve or reject it.", waits.id, waits.closed_at)
    if waits is not None:
        return _issuing(Status.AWAITING, waits)
    last, csr = counted[-1], _unanswered(counted)
    sign = f"Sign the CSR in the response of command {_named(csr)}, then add" if csr else "Add"
    return Explanation(
        Status.AWAITING,
        "The device did all that was asked of it, and the list does not end with `finished`.",
        f"{sign} what is still to come (such as clientCertificate) and `finished`.",
        last.id,
        last.closed_at,
    )


def _provisioning(run: Run, facts: Facts) -> Explanation:
    counted = run.counted
    command = next((c for c in counted if c.open or undecided(c, counted)), counted[-1])
    if command.state is State.IN_PROGRESS:
        why = (
            f"The device got command {_named(command)} and has not answered it yet; deliveries in this "
            f"attempt: {command.deliveries}. {_seen(facts)}"
        )
        to_do = _ANSWER.format(**_calls(command))
        return Explanation(Status.PROVISIONING, why, to_do, command.id, command.served_at)
    if command.open:
        why = f"{_waiting(run)} for the device's next pull, first {_named(command)}. {_seen(facts)}"
        return Explanation(Status.PROVISIONING, why, _pull(facts), command.id, facts.seen_at)
    return _issuing(Status.PROVISIONING, command)


def _issuing(now: Status, csr: Command) -> Explanation:
    why = f"The certificate for command {_named(csr)} is being issued."
    return Explanation(now, why, "Wait a moment.", csr.id, csr.closed_at)


def _unanswered(counted: Sequence[Command]) -> Command | None:
    """The last CSR, if no certificate stands behind it."""
    for command in reversed(counted):
        if command.type == "clientCertificate":
            return None
        if command.kind is Kind.CSR:
            return command
    return None


STATUSES: Mapping[Status, Callable[[Run, Facts], Explanation]] = {
    Status.BLOCKED: _blocked,
    Status.ERROR: _error,
    Status.READY: _ready,
    Status.PROVISIONED: _provisioned,
    Status.AWAITING: _awaiting,
    Status.PROVISIONING: _provisioning,
}


# ---- why a command failed


@dataclass(frozen=True, slots=True)
class Advice:
    """What a failure means, `{message}` being what was said of it, and what to do."""

    why: str
    next: str


# `{reset}` and `{skip}` in `next` are the calls that do it to this command.
_AGAIN = "To have it done again, {reset}; to go on without it, {skip}"

ERRORS: Mapping[ErrorCode, Advice] = {
    ErrorCode.DEVICE: Advice("the device could not do it (“{message}”).", f"{_AGAIN}."),
    ErrorCode.BAD_RESULT: Advice(
        "the device says that it did it, and what it sent does not hold (“{message}”).",
        f"Look at what it sent, in the command's `response`. {_AGAIN}.",
    ),
    ErrorCode.TOO_LARGE: Advice(
        "it is larger than the device can receive (“{message}”).",
        "Go on without it by {skip} and add a smaller one: fewer certificates or settings at once.",
    ),
    ErrorCode.UNSUPPORTED: Advice(
        "the device has no way to do it as it is (“{message}”).",
        "Do what that says and {reset}, or go on without it by {skip}.",
    ),
    ErrorCode.DELIVERY_EXHAUSTED: Advice(
        "it was delivered and not answered too often (“{message}”).",
        "Look at the device's log: it may restart while it does this. If its answer comes after all, it "
        f"counts. {_AGAIN}.",
    ),
    ErrorCode.ISSUE_REFUSED: Advice(
        "no certificate was issued for its request (“{message}”).",
        f"Settle the reason. {_AGAIN}.",
    ),
}

_DEVICE_NEXT: Mapping[int, str] = {
    1: "Update its firmware and {reset}, or go on without it by {skip}.",
    2: "Go on without it by {skip} and add a corrected one.",
    3: "Make room on the device, or use a slot that is in use already; then {reset}.",
    4: "Check that key and certificate belong together and are of a kind that it takes; go on without it by "
    "{skip} and add the right one.",
    5: "The device's storage failed: restart the device, then {reset}.",
}


def _device_advice(detail: int) -> str:
    if detail in _DEVICE_NEXT:
        return f"Its error {detail}: {DEVICE_CODES[detail]}. {_DEVICE_NEXT[detail]}"
    if detail in MODEM_CODES and detail >= 100:
        return f"Its error {detail} is the modem's own (CME). {MODEM_CODES[detail]} {_AGAIN}."
    whose = "the modem's own (CME)" if 100 <= detail <= 999 else "the device's own"
    return f"Its error {detail} is {whose}: look it up in its manual. {_AGAIN}."


# ---- sentences that several share

_ADD = "Add commands with POST …/provisioning, the last one `finished`."
_ANSWER = "Wait: it repeats its answer until it is heard. If it is stuck, {reset} or {skip}."


def _calls(command: Command) -> Mapping[str, str]:
    return {call: f"POST …/provisioning/{command.id}/{call}" for call in ("reset", "skip")}


def _named(command: Command) -> str:
    return f"{command.position} ({command.type})"


def _waiting(run: Run) -> str:
    count = len(runs.servable(run))
    return f"{count} command waits" if count == 1 else f"{count} commands wait"


def _seen(facts: Facts) -> str:
    if facts.seen_at is None:
        return "Nobody has seen this device yet."
    return f"It was last seen at {facts.seen_at:%Y-%m-%d %H:%M:%S} UTC."


def _pull(facts: Facts) -> str:
    if not facts.credentials:
        return (
            "It has no credential to sign in with: make one with POST …/credentials and put it on the device."
        )
    if facts.seen_at is None:
        return (
            f"Check that it signs in to the MQTT broker as {facts.device_id}, with the secret that it was "
            f"given, and publishes to {facts.address}."
        )
    return "Nothing, if it is asleep: it pulls when it wakes. Otherwise check that it is on and online."
