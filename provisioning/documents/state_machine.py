"""docs/state-machine.md, from the command table, the status rules and the limits."""

from __future__ import annotations

from collections.abc import Mapping

from commands import limits
from commands.machine import TABLE, Input, Row, State
from commands.status import RULES
from provisioning.documents.markdown import code, page, table

STATES: Mapping[State, str] = {
    State.PENDING: "The device has not got it, or was told to stop in front of it.",
    State.IN_PROGRESS: "The device got it and has not answered yet.",
    State.SUCCEEDED: "The device did it.",
    State.FAILED: "It did not work out. The device gets nothing more until this is settled.",
    State.SKIPPED: "Its owner let it go. It counts as if it were not there.",
}

INPUTS: Mapping[Input, str] = {
    Input.SERVE: "The device asked for commands, and this one is in the answer.",
    Input.SUCCEED: "The device says that it did it, and what it sent holds.",
    Input.FAIL: "The device says that it could not do it, or what it sent does not hold.",
    Input.REFUSE: (
        "Keyseed says that it cannot be: the device cannot receive it (`TOO_LARGE`) or does not know it "
        "(`UNSUPPORTED`), or nobody issues the certificate (`ISSUE_REFUSED`)."
    ),
    Input.EXPIRE: "It was delivered as often as is allowed, and the device asks again instead of answering.",
    Input.RELEASE: "A command in front of it failed.",
    Input.SUPERSEDE: "The device made another key in the same attempt.",
    Input.RESET: "The owner wants it done again.",
    Input.SKIP: "The owner lets it go.",
    Input.DELETE: "The owner takes it off the list.",
    Input.DROP: "The request that this certificate was made from is reset, skipped or answered anew.",
}

TEXT = """\
# Commands and devices: what can happen to them

A device has an ordered list of commands. A command changes its state by the command table below and in no
other way: what no row allows is refused and changes nothing. The device's status is computed from the
states of its commands, by the rules at the end of this page, and is never set.

## Command states

$states

```mermaid
$diagram
```

## The command table

These are all the rows. *Only if* is what must hold besides the state; *then* is what happens besides the
change of state.

$rows

What the inputs mean:

$inputs

A result is told apart by what the device says in it: the same again changes nothing, and of two different
ones the first stands. [errors.md](errors.md) has the words in which the device is told.

## Runs

- A run ends with a `finished` that SUCCEEDED. What is added after that is the next run.
- Only commands of the current run are served and changed.
- A reset in the run that closed last opens it again and resets its `finished` too, as long as nothing
  stands behind it. Otherwise it is refused with `RUN_CLOSED`.
- “Reset all” does the whole run again, or, if that is empty, the one that closed last: all of it or
  nothing. Skipped commands stay skipped.
- A command keeps its place for ever. A reset makes a new attempt, so that a late answer to the old one
  cannot be taken for an answer to the new one.

## Requests and their certificates

- A `certificateSigningRequest` with `issue` has at most one certificate made from it: a
  `clientCertificate` right behind it.
- Between the request's SUCCEEDED and the certificate's standing there the request is *undecided*: nothing
  behind it is served.
- When the request is reset, skipped or answered with a newer key, a PENDING certificate is deleted and
  any other is SKIPPED.
- A certificate is not reset alone: `RESET_THE_CSR`.

## Limits

- A device has at most $open open commands (PENDING or IN_PROGRESS). A request with `issue` counts two
  until its certificate stands. Adding more is refused with `QUEUE_FULL`; a repair never is.
- A run has at most $run commands. More is refused with `QUEUE_FULL`.
- A command is delivered at most $deliveries times in one attempt, unless `KEYSEED_MAX_DELIVERIES` says
  otherwise; then it fails with `DELIVERY_EXHAUSTED`. Repeats that were under way while they were answered
  count once.
- The secrets of a FAILED command stay for a reset for $days days. A reset that needs secrets which are
  gone is refused with `SECRETS_NEEDED`.

## Device status

*Run* means the commands after the last `finished` that SUCCEEDED, without the SKIPPED ones; *open* means
PENDING or IN_PROGRESS. The first rule that holds gives the status:

$rules

From READY and PROVISIONED a device moves when it pulls, not when its owner adds commands. A device that
never called is READY. A failure is never hidden behind another status, except by BLOCKED.
"""


def document() -> str:
    """The page of the command table and the status rules."""
    return page(
        TEXT,
        states=table(["state", "meaning"], [[code(state.value), STATES[state]] for state in State]),
        diagram=diagram(),
        rows=table(["state", "input", "only if", "next", "then"], [_row(*line) for line in TABLE.items()]),
        inputs=table(["input", "what happened"], [[code(given.value), INPUTS[given]] for given in Input]),
        rules=table(["status", "when"], [[code(rule.status.value), rule.when] for rule in RULES]),
        open=limits.MAX_OPEN,
        run=limits.MAX_RUN,
        deliveries=limits.MAX_DELIVERIES,
        days=limits.SECRET_DAYS,
    )


def diagram() -> str:
    """The command table as a Mermaid state diagram: one arrow for each pair of states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, given), row in TABLE.items():
        arrows.setdefault((state.value, row.next.value if row.next else "[*]"), []).append(given.value)
    lines = [f"    {before} --> {after}: {', '.join(given)}" for (before, after), given in arrows.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> PENDING: add", *lines])


def _row(key: tuple[State, Input], row: Row) -> list[str]:
    state, given = key
    following = code(row.next.value) if row.next else "(gone)"
    return [code(state.value), code(given.value), row.when, following, "; ".join(row.effects)]
