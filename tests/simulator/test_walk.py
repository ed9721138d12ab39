"""Random owners, networks and power cuts: at the end of any walk the device is where its list says."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from provisioning.simulator.device import KEY_MAKING, Link, State
from provisioning.simulator.formats import Command, Failed, Outcome

from .service import Service
from .world import World, succeed

KINDS = ["clientPrivateKeyGeneration", "certificateSigningRequest", "serverCertificate", "config"]
CODES = ["THROTTLED", "BLOCKED", "NOT_CLAIMED", "INTERNAL", "MALFORMED", "TOO_LARGE"]
ARRIVALS = [(), (0.01,), (0.01, 0.02), (0.01, 40.0), (15.0,), (700.0,)]


class Walk(RuleBasedStateMachine):
    """The world itself asserts, at each step, one outstanding request and nothing before SUBACK."""

    @initialize(
        form=st.sampled_from(["json", "cbor"]),
        limit=st.integers(1, 4),
        jitter=st.floats(0, 1, exclude_max=True),
    )
    def begin(self, form: str, limit: int, jitter: float) -> None:
        self.failing: set[str] = set()
        self.ever_failing = False
        self.made: list[str] = []  # correlation ids of the keys that were made
        self.fates: dict[int, tuple[float, ...]] = {}
        self.world = World(Service(form, limit=limit), fates=self.fates, outcome=self.outcome, jitter=jitter)
        self.world.connect()

    def outcome(self, command: Command, number: int) -> Outcome:
        if command.type in self.failing:
            return Failed(4, "no")
        if command.type in KEY_MAKING:
            self.made.append(command.id)
        return succeed(command, number)

    @rule(kinds=st.lists(st.sampled_from(KINDS), max_size=4), ends=st.booleans())
    def owner_adds(self, kinds: list[str], ends: bool) -> None:
        params: dict[str, Any] = {"secTag": 1}
        self.world.service.add(*[(kind, params) for kind in kinds])
        if ends:
            self.world.service.add(("finished", {}))

    @rule(within=st.sampled_from([0, 5, 300]))
    def service_notifies(self, within: float) -> None:
        self.world.down(self.world.service.notify(within))

    @precondition(lambda self: self.world.service.failed())
    @rule()
    def owner_resets_what_failed(self) -> None:
        self.reset_what_failed()

    def reset_what_failed(self) -> None:
        self.failing.clear()
        for row in self.world.service.rows:
            if row.state == "FAILED":
                self.world.service.reset(row)

    @rule(kind=st.sampled_from(KINDS))
    def a_kind_of_command_begins_to_fail(self, kind: str) -> None:
        self.failing.add(kind)
        self.ever_failing = True

    @rule(arrivals=st.lists(st.sampled_from(ARRIVALS), min_size=1, max_size=6))
    def the_network_is_bad_for_a_while(self, arrivals: list[tuple[float, ...]]) -> None:
        for number, times in enumerate(arrivals, self.world.sent):
            self.fates[number] = times

    @rule(code=st.sampled_from(CODES))
    def the_service_refuses_the_next_request(self, code: str) -> None:
        self.world.service.refusals.append({"code": code, "retryAfter": 5})

    @rule(steps=st.integers(1, 12))
    def time_goes_by(self, steps: int) -> None:
        for _ in range(steps):
            self.world.step()

    @rule(loses=st.booleans())
    def the_connection_breaks(self, loses: bool) -> None:
        if loses:
            self.world.events.clear()
        self.world.reconnect()

    @rule()
    def the_device_reboots(self) -> None:
        self.world.boot()
        self.world.connect()

    @invariant()
    def every_result_counts_at_most_once(self) -> None:
        assert all(row.stored <= 1 + row.attempt for row in self.world.service.rows)

    @invariant()
    def a_key_is_made_at_most_once_for_each_attempt(self) -> None:
        assert len(self.made) == len(set(self.made))

    @invariant()
    def no_result_contradicts_an_earlier_one(self) -> None:
        # After a power cut a command that makes no key is done again, and may fail then.
        assert self.world.service.conflicts == 0 or self.ever_failing

    @invariant()
    def the_timer_always_runs_unless_work_is_under_way(self) -> None:
        device = self.world.device
        assert device.link is Link.UP
        assert self.world.waiting is not None or device.state is State.WORKING

    def teardown(self) -> None:
        """Once the trouble is over, the device comes to the end of its list by itself."""
        self.fates.clear()
        self.failing.clear()
        service = self.world.service
        service.refusals.clear()
        self.reset_what_failed()
        self.world.run(3 * 3600)
        self.reset_what_failed()  # a failure that was still on its way
        self.world.down(service.notify(0))
        self.world.run(3 * 3600)
        assert all(row.state == "SUCCEEDED" for row in service.rows)
        assert not self.world.device.memory


Walk.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWalk = Walk.TestCase
