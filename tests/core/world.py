"""Who walks at random around one device's list: its owner, an authority, a good device and one that lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from commands import run as rules
from commands.machine import Command, Error, ErrorCode, Facts, Input, State, step
from commands.status import Run
from provisioning.wire import correlation
from tenants.errors import Refusal
from tests.core import keys, oracle
from tests.core.lists import NOW, SECOND, child, command, uuid
from tests.core.service import DUMPS, Answer, Body, Message, Service

KEYS = 5
MAKES_KEY = ("clientPrivateKeyGeneration", "cloudAccessKeyGeneration", "certificateSigningRequest")


@dataclass(slots=True)
class Owner:
    """Changes the list by the rules alone, and keeps it as it was where they refuse."""

    service: Service
    added: int = 0

    def add(self, name: str, size: int = 10) -> None:
        """One more command at the end, with room for it or not at all."""
        run = self.service.run
        end = max([c.position for c in self.service.commands], default=0) + 1
        self.added += 1
        made = command(end, name, id=uuid(self.added), has_secrets=name == "psk")
        try:
            rules.check_room(run, [(made.kind, made.issue)])
        except Refusal:
            return
        self.service.commands.append(made)
        self.service.params[made.id] = {"text": "x" * size}
        self.service.settle()

    def delete(self, id: UUID, at: datetime) -> bool:
        """Whether it could be deleted."""
        return self._kept(partial(rules.delete, self.service.run, id, at))

    def skip(self, id: UUID, at: datetime) -> bool:
        """Whether it could be skipped."""
        return self._kept(partial(rules.skip, self.service.run, id, at))

    def reset(self, id: UUID, at: datetime) -> bool:
        """Whether it could be reset."""
        return self._kept(partial(rules.reset, self.service.run, self.service.last, id, at))

    def reset_all(self, at: datetime) -> bool:
        """Whether everything could be reset."""
        return self._kept(partial(rules.reset_all, self.service.run, self.service.last, at))

    def _kept(self, repair: Callable[[], Run]) -> bool:
        run, last = self.service.run, self.service.last
        try:
            after = repair()
        except Refusal:
            return False
        before = run if after.closed_through == run.closed_through else last
        attempts = {c.id: c.attempt for c in before.commands}
        again = [c for c in after.commands if c.attempt > attempts[c.id] and c.type == "preSharedKey"]
        self.service.write(before.commands, after.commands)
        for one in again:
            self.service.change(one.id, has_secrets=True)
        self.service.device = replace(self.service.device, closed_through=after.closed_through)
        self.service.settle()
        return True

    def block(self, blocked: bool) -> None:
        """The device gets nothing more, or again."""
        self.service.device = replace(self.service.device, blocked=blocked)
        self.service.settle()


@dataclass(slots=True)
class Authority:
    """Decides on the requests that wait for it."""

    service: Service
    issued: int = 0

    def issue(self, at: datetime) -> None:
        """A certificate for the first undecided request; one that was dropped is done again."""
        for request in self._undecided()[:1]:
            found = self.service.commands
            old = next((c for c in found if c.child and c.position == request.position), None)
            if old is None:
                self.issued += 1
                found.insert(found.index(request) + 1, child(request.position, id=uuid(1000 + self.issued)))
            else:
                again, _ = step(old, Input.RESET, Facts(at=at))
                self.service.write([], [again] if again else [])
            self.service.settle()

    def refuse(self, at: datetime) -> None:
        """No certificate for the first undecided request."""
        for request in self._undecided()[:1]:
            error = Error(ErrorCode.ISSUE_REFUSED, "not on the list")
            after = rules._advance(self.service.run, request, Input.REFUSE, Facts(at=at, error=error))
            self.service.write(self.service.run.commands, after.commands)
            self.service.settle()

    def _undecided(self) -> list[Command]:
        counted = self.service.run.counted
        return [c for c in counted if oracle.undecided(c, counted)]


@dataclass(slots=True)
class Good:
    """A device that keeps to WIRE.md 6; `open` is its outstanding request, `todo` what it has to report."""

    rx_max_size: int = 8192
    types: list[str] | None = None
    open: Message | None = None
    todo: list[Body] = field(default_factory=list)
    memory: dict[str, Body] = field(default_factory=dict)
    made: int = 0
    asked: int = 0

    def speak(self, format: str, limit: int = 10) -> Message:
        """Its open request again, else what it did, else a request for more."""
        if self.open is None:
            self.asked += 1
            body: Body = {"id": f"good-{self.asked}"}
            if self.todo:
                body["results"] = self.todo
            else:
                body |= {"limit": limit, "rxMaxSize": self.rx_max_size}
                body |= {} if self.types is None else {"types": self.types}
            verb = "results" if self.todo else "get"
            self.open = Message(verb, format, DUMPS[format](body), NOW)
        return self.open

    def hear(self, answer: Answer, fails_at: int | None = None) -> None:
        """Does what it is told, up to the one that fails."""
        body = answer.body
        if self.open is None or body.get("id") != f"good-{self.asked}" or answer.verb == "rejected":
            return
        self.open = None
        self.todo = []
        if answer.verb == "commands":
            for place, item in enumerate(body["commands"]):
                self.todo.append(self._do(item, fails=place == fails_at))
                if not self.todo[-1]["ok"]:
                    break

    def reboot(self, forgets_keys: bool) -> None:
        """What it did is forgotten, but for the keys that it made."""
        kept = {} if forgets_keys else {id: done for id, done in self.memory.items() if "value" in done}
        self.memory, self.open, self.todo = kept, None, []

    def _do(self, item: Body, fails: bool) -> Body:
        known = self.memory.get(item["id"])
        if known is None:
            known = self._done(item, fails)
            self.memory[item["id"]] = known
        return known

    def _done(self, item: Body, fails: bool) -> Body:
        if fails:
            return {"id": item["id"], "ok": False, "error": {"code": 3, "message": "no room"}}
        if item["type"] not in MAKES_KEY:
            return {"id": item["id"], "ok": True}
        self.made += 1
        return {"id": item["id"], "ok": True, "value": proof(self.made)}


def proof(number: int) -> Body:
    """What a device shows of the key with this number."""
    number %= KEYS
    return {"publicKey": keys.public_key(number), "csr": keys.csr_pem(number)}


OUTCOMES: Sequence[Body] = (
    {"ok": True},
    {"ok": True, "value": proof(1)},
    {"ok": True, "value": proof(2)},
    {"ok": True, "value": {"publicKey": "no key"}},
    {"ok": False, "error": {"code": 3, "message": "no room"}},
    {"ok": False, "error": {"code": 600, "message": ""}},
)


def lie(service: Service, format: str, claims: Sequence[tuple[int, int, int]]) -> Message:
    """Results from a device that lies: a claim is a command, how far off its attempt is, and an outcome."""
    ids = [(c.id, c.attempt) for c in service.commands] + [(uuid(999), 0)]
    results = []
    for place, off, outcome in claims:
        id, attempt = ids[place % len(ids)]
        results.append(
            {"id": correlation.make(id, max(0, attempt + off)), **OUTCOMES[outcome % len(OUTCOMES)]}
        )
    return Message("results", format, DUMPS[format]({"id": "lie", "results": results}), NOW)


# ---- how it ends well


def finish(service: Service, now: datetime, format: str = "json") -> str:
    """The device's last status if from now on the network and everybody in it does what they should."""
    owner, authority, device = Owner(service, added=500), Authority(service, issued=500), Good()
    owner.block(False)
    now += 3600 * SECOND
    for _ in range(80):
        now += SECOND
        mend(owner, now)
        authority.issue(now)
        if service.device.status == "PROVISIONED" and not service.device.pending:
            break
        message = replace(device.speak(format), received=now)
        (reply,) = service.hear([message], now)
        device.hear(reply)
    return service.device.status


def mend(owner: Owner, now: datetime) -> None:
    """What was not delivered is tried again, what failed is left out, and the list ends with `finished`."""
    for failed in [c for c in owner.service.run.counted if c.state is State.FAILED]:
        exhausted = failed.error is not None and failed.error.code is ErrorCode.DELIVERY_EXHAUSTED
        assert owner.reset(failed.id, now) if exhausted and not failed.child else owner.skip(failed.id, now)
    counted = owner.service.run.counted
    last = counted[-1].type if counted else owner.service.device.closed_through and "finished"
    if last != "finished":
        owner.add("finished")
