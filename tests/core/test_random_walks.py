"""What holds whatever owners do, however devices lie, and whatever the network loses, doubles and reorders.

KEYSEED_THOROUGH in the environment makes the walks many and long.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from commands.machine import Command, Kind, State
from commands.run import Word
from provisioning.wire import correlation
from tests.core import oracle, world
from tests.core.lists import NOW, SECOND
from tests.core.service import DUMPS, Answer, Body, Message, Service
from tests.core.world import Authority, Good, Owner

THOROUGH = "KEYSEED_THOROUGH" in os.environ
MOST = 3  # deliveries: used up within a short walk
DONE, SKIPPED, UNDER_WAY = State.SUCCEEDED, State.SKIPPED, State.IN_PROGRESS

places = st.integers(0, 13)
NAMES = ["config", "config", "key", "access", "csr", "auto", "manual", "psk", "finished", "finished"]
names = st.sampled_from(NAMES)
formats = st.sampled_from(["json", "cbor"])


def able(service: Service) -> list[Command]:
    """What a `get` without bounds would bring, by the second opinion."""
    device = service.device
    return oracle.servable(service.commands, device.closed_through, device.blocked)


def word(service: Service) -> str:
    """The status, by the second opinion."""
    device = service.device
    return oracle.status(service.commands, device.closed_through, device.blocked)


def copy(service: Service) -> Service:
    return replace(service, commands=list(service.commands), folds=[])


class Walk(RuleBasedStateMachine):
    """One device and all that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.service = Service(max_deliveries=MOST)
        self.owner, self.authority = Owner(self.service), Authority(self.service)
        self.good = Good()
        self.now = NOW
        self.up: list[Message] = []
        self.queue: list[Message] = []
        self.down: list[Answer] = []
        self.stored: Counter[str] = Counter()
        self.seen: dict[UUID, Command] = {}

    # ---- the owner and the authority

    @initialize(names=st.lists(names, max_size=6))
    def there_is_a_list(self, names: list[str]) -> None:
        for name in names:
            self.owner.add(name)

    @precondition(lambda self: len(self.service.commands) < 14)
    @rule(names=st.lists(names, min_size=1, max_size=3), size=st.sampled_from([10, 10, 10, 10, 900]))
    def add(self, names: list[str], size: int) -> None:
        for name in names:
            self.owner.add(name, size)

    @rule(place=places, how=st.sampled_from([Owner.delete, Owner.skip, Owner.reset]))
    def repair(self, place: int, how: Callable[[Owner, UUID, datetime], bool]) -> None:
        if self.service.commands:
            before = copy(self.service)
            one = self.service.commands[place % len(self.service.commands)]
            if not how(self.owner, one.id, self.now):
                assert (self.service.commands, self.service.device) == (before.commands, before.device)

    @rule()
    def reset_all(self) -> None:
        before = copy(self.service)
        if not self.owner.reset_all(self.now):
            assert (self.service.commands, self.service.device) == (before.commands, before.device)

    @rule()
    def mend(self) -> None:
        world.mend(self.owner, self.now)

    @rule(blocked=st.sampled_from([True, False, False]))
    def block(self, blocked: bool) -> None:
        self.owner.block(blocked)

    @rule(decide=st.sampled_from([Authority.issue, Authority.issue, Authority.refuse]))
    def decide(self, decide: Callable[[Authority, datetime], None]) -> None:
        decide(self.authority, self.now)

    # ---- the devices

    @rule(format=formats, limit=st.sampled_from([1, 2, 10]))
    def the_good_device_speaks(self, format: str, limit: int) -> None:
        self.up.append(self.good.speak(format, limit))

    @rule(forgets_keys=st.booleans())
    def the_good_device_reboots(self, forgets_keys: bool) -> None:
        self.good.reboot(forgets_keys)

    @rule(
        size=st.sampled_from([512, 8192]),
        types=st.sampled_from([None, ["config", "finished", "certificateSigningRequest"]]),
    )
    def the_good_device_gets_other_firmware(self, size: int, types: list[str] | None) -> None:
        self.good.rx_max_size, self.good.types = size, types
        self.good.reboot(forgets_keys=False)

    @rule(format=formats, claims=st.lists(st.tuples(places, st.integers(-1, 1), places), max_size=4))
    def a_device_lies(self, format: str, claims: list[tuple[int, int, int]]) -> None:
        self.up.append(world.lie(self.service, format, claims))

    @rule(format=formats)
    def a_device_says_that_all_is_finished(self, format: str) -> None:
        ends = [c for c in self.service.commands if c.kind is Kind.FINISHED]
        results = [{"id": correlation.make(c.id, c.attempt), "ok": True} for c in ends]
        self.up.append(Message("results", format, DUMPS[format]({"results": results}), NOW))

    @rule(
        times=st.integers(1, MOST + 1),
        format=formats,
        limit=st.integers(1, 20),
        size=st.sampled_from([512, 1000, 65536]),
    )
    def a_device_asks_and_never_answers(self, times: int, format: str, limit: int, size: int) -> None:
        payload = DUMPS[format]({"limit": limit, "rxMaxSize": size})
        for _ in range(times):
            self.now += SECOND
            self._work([Message("get", format, payload, self.now)])

    # ---- the network, the clock and the worker

    @rule(seconds=st.sampled_from([1, 5, 600]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @precondition(lambda self: self.up)
    @rule(place=places)
    def a_message_is_lost(self, place: int) -> None:
        del self.up[place % len(self.up)]

    @precondition(lambda self: self.up)
    @rule(place=places, twice=st.booleans())
    def a_message_arrives(self, place: int, twice: bool) -> None:
        message = self.up[place % len(self.up)] if twice else self.up.pop(place % len(self.up))
        self.now += timedelta(milliseconds=1)
        self.queue.append(replace(message, received=self.now))

    @precondition(lambda self: self.queue)
    @rule(picked=st.lists(places, min_size=1, max_size=4))
    def a_worker_takes_a_batch(self, picked: list[int]) -> None:
        chosen = {place % len(self.queue) for place in picked}
        batch = sorted((self.queue[place] for place in chosen), key=lambda message: message.received)
        self.queue = [message for place, message in enumerate(self.queue) if place not in chosen]
        self._work(batch)

    @rule(
        turns=st.integers(1, 4),
        format=formats,
        limit=st.sampled_from([1, 2, 10]),
        fails_at=st.sampled_from([None, None, None, 0, 1]),
        others=st.booleans(),
    )
    def all_goes_well_for_a_while(
        self, turns: int, format: str, limit: int, fails_at: int | None, others: bool
    ) -> None:
        for _ in range(turns):
            self.now += SECOND
            said = [*self.up, self.good.speak(format, limit)] if others else [self.good.speak(format, limit)]
            self.up = [] if others else self.up
            for answer in self._work([replace(message, received=self.now) for message in said]):
                self.good.hear(answer, fails_at)

    @precondition(lambda self: self.down)
    @rule(place=places, twice=st.booleans(), fails_at=st.sampled_from([None, None, None, 0, 1]))
    def an_answer_arrives(self, place: int, twice: bool, fails_at: int | None) -> None:
        answer = self.down[place % len(self.down)] if twice else self.down.pop(place % len(self.down))
        self.good.hear(answer, fails_at)

    def _work(self, batch: list[Message]) -> list[Answer]:
        alone = copy(self.service)
        one_by_one = [self._exchange(alone, message) for message in batch]
        answers = self.service.hear(batch, self.now)
        assert answers == one_by_one, "a batch is answered like its messages one by one"
        assert (self.service.commands, self.service.device) == (alone.commands, alone.device)
        self.down += answers
        return answers

    def _exchange(self, service: Service, message: Message) -> Answer:
        before = copy(service)
        (answer,) = service.hear([message], self.now)
        check = {"commands": self._served, "accepted": self._accepted, "rejected": self._rejected}
        check[answer.verb](before, service, answer.body)
        through = before.device.closed_through
        assert [c for c in before.commands if c.position <= through] == [
            c for c in service.commands if c.position <= through
        ], "closed runs never change"
        return answer

    def _served(self, before: Service, after: Service, body: Body) -> None:
        open_before, open_now = able(before), able(after)
        count = len(body["commands"])
        names = [correlation.make(c.id, c.attempt) for c in open_before[:count]]
        assert [item["id"] for item in body["commands"]] == names, "a prefix of what is open"
        assert (body["status"], body["pending"]) == (word(after), len(open_now) - count)
        assert {after.command(c.id).state for c in open_before[:count]} <= {UNDER_WAY}
        if word(before) in ("ERROR", "BLOCKED"):
            assert not count
        if not count and open_before:
            assert word(after) == "ERROR", "refused or used up"

    def _accepted(self, before: Service, after: Service, body: Body) -> None:
        assert (body["status"], body["pending"]) == (word(after), len(able(after)))
        assert set(body["results"].values()) <= set(Word)
        self.stored.update(id for id, said in body["results"].items() if said == Word.STORED)

    def _rejected(self, before: Service, after: Service, body: Body) -> None:
        assert body["code"] == ("BLOCKED" if before.device.blocked else "THROTTLED")
        assert after.commands == before.commands
        if before.device.blocked:
            assert after.device == before.device
        else:
            seen, next_get = after.device.last_seen_at, after.device.next_get_at
            assert after.device == replace(before.device, last_seen_at=seen, next_get_at=next_get)

    # ---- what always holds

    @invariant()
    def the_status_and_the_number_are_what_the_list_says(self) -> None:
        assert self.service.device.status == word(self.service)
        assert self.service.device.pending == len(able(self.service))

    @invariant()
    def pending_is_what_a_get_would_bring(self) -> None:
        other = replace(copy(self.service), max_deliveries=10**6)
        other.device = replace(other.device, next_get_at=None)
        get = Message("get", "json", b'{"limit":20,"rxMaxSize":65536}', self.now)
        body = other.hear([get], self.now)[0].body
        assert len(body.get("commands", ())) == self.service.device.pending

    @invariant()
    def the_order_is_kept_and_positions_are_never_renumbered(self) -> None:
        order = [(c.position, c.child) for c in self.service.commands]
        assert order == sorted(set(order))
        for c in self.service.commands:
            first = self.seen.get(c.id, c)
            assert _nature(c) == _nature(first)

    @invariant()
    def attempts_never_go_back_and_deliveries_stay_within_bounds(self) -> None:
        for c in self.service.commands:
            assert c.attempt >= self.seen.get(c.id, c).attempt
            assert c.deliveries <= MOST
            self.seen[c.id] = c

    @invariant()
    def each_result_is_stored_once_unless_it_is_a_newer_key(self) -> None:
        for id, times in self.stored.items():
            kind = self.seen[UUID(id.partition(".")[0])].kind
            assert times == 1 or kind in (Kind.KEY, Kind.CSR)

    @invariant()
    def no_secret_outlives_its_use(self) -> None:
        assert not [c for c in self.service.commands if c.has_secrets and c.state in (DONE, SKIPPED)]

    @invariant()
    def a_failure_has_a_reason_and_nothing_behind_it_is_under_way(self) -> None:
        counted = self.service.run.counted
        failed = [place for place, c in enumerate(counted) if c.state is State.FAILED]
        assert all(counted[place].error is not None for place in failed)
        assert not [c for c in counted[min(failed, default=len(counted)) :] if c.state is UNDER_WAY]

    def teardown(self) -> None:
        """From wherever the walk ended there is a way to PROVISIONED."""
        assert world.finish(copy_for_good(self.service), self.now) == "PROVISIONED"


def copy_for_good(service: Service) -> Service:
    return replace(copy(service), params=dict(service.params), max_deliveries=10)


def _nature(command: Command) -> tuple[object, ...]:
    return command.position, command.kind, command.type, command.issue, command.child


TestWalk = pytest.mark.timeout(3600 if THOROUGH else 120)(Walk.TestCase)
TestWalk.settings = settings(
    max_examples=3000 if THOROUGH else 300,
    stateful_step_count=100 if THOROUGH else 50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
