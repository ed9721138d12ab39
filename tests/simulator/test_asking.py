"""When the client speaks, and how often it says the same again (WIRE.md 2, 6.3)."""

import pytest

from provisioning.simulator.device import Device, Link, State
from provisioning.simulator.formats import Format, Ok
from provisioning.simulator.ports import Profile, Publish, Subscribe, Timing, Wait

from .service import ID
from .talk import HALF, Bench, body, executes, said, until, verb

OWN_TOPICS = (
    f"prov/v1/{ID}/cbor/commands",
    f"prov/v1/{ID}/cbor/accepted",
    f"prov/v1/{ID}/cbor/rejected",
    f"prov/v1/{ID}/notify",
)


def test_it_subscribes_to_its_own_four_topics_and_nothing_else() -> None:
    device = Device(Profile(ID, "b", Format.CBOR), {})
    assert device.connected() == [Subscribe(OWN_TOPICS)]


def test_nothing_is_sent_before_suback() -> None:
    bench = Bench(up=False)
    assert bench.device.tick(0, HALF) == []
    bench.device.connected()
    assert bench.device.link is Link.SUBSCRIBING
    assert bench.device.tick(1e6, HALF) == []
    assert verb(bench.device.subscribed(1e6, HALF)) == "get"


def test_the_first_get_says_what_the_device_tells_of_itself() -> None:
    bench = Bench(about={"limit": 3, "rxMaxSize": 2048, "types": ["config"]})
    assert body(bench.first) == {"id": "b-1", "limit": 3, "rxMaxSize": 2048, "types": ["config"]}


def test_without_an_answer_the_same_message_comes_again_after_10_20_40_up_to_600_seconds() -> None:
    bench = Bench()
    (publish, wait), waits = bench.first, []
    now = 0.0
    for _ in range(10):
        assert isinstance(wait, Wait)
        waits.append(wait.until - now)
        now = wait.until
        assert bench.device.tick(now - 0.001, HALF) == [wait], "too early is no time"
        again, wait = bench.device.tick(now, HALF)
        assert again == publish, "byte for byte (WIRE.md 6.3)"
    assert waits == pytest.approx([10, 20, 40, 80, 160, 320, 600, 600, 600, 600])


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 8.0), (0.5, 10.0), (0.999999, 12.0)])
def test_a_repeat_is_up_to_20_percent_early_or_late(jitter: float, wait: float) -> None:
    bench = Bench(up=False)
    assert until(bench.up(100, jitter)) == pytest.approx(100 + wait, rel=1e-4)


def test_a_device_that_repeats_for_years_still_waits_ten_minutes() -> None:
    assert Timing().repeat(5_000_000, HALF) == 600


def test_an_empty_list_is_nothing_to_do_until_the_own_interval() -> None:
    bench = Bench()
    outputs = bench.tell("commands", 1, status="PROVISIONED", commands=[], pending=0)
    assert said(outputs) == ["PROVISIONED"]
    assert until(outputs) == 3601
    assert verb(bench.device.tick(3601, HALF)) == "get"


def test_each_get_has_an_id_of_its_own() -> None:
    bench = Bench()
    bench.tell("commands", 1, status="READY", commands=[], pending=0)
    assert body(bench.first)["id"] == "b-1"
    assert body(bench.device.tick(5000, HALF))["id"] == "b-2"


def test_results_are_repeated_until_accepted_and_no_get_comes_between() -> None:
    bench = Bench()
    bench.serve("config")
    outputs = bench.device.executed("c0.0", Ok(), 0, HALF)
    first = outputs[0]
    now = 0.0
    for _ in range(20):
        now = until(outputs)
        outputs = bench.device.tick(now, HALF)
        assert outputs[0] == first
    assert verb(bench.accept(now, pending=1)) == "get"


def test_pending_commands_are_asked_for_at_once_with_the_hint_of_the_last_one_done() -> None:
    bench = Bench()
    bench.serve("config", pending=3)
    bench.device.executed("c0.0", Ok(), 0, HALF)
    outputs = bench.accept(0, pending=3)
    assert body(outputs) == {"id": "b-3", "after": "c0.0"}
    assert said(outputs) == []


def test_accepted_with_nothing_pending_ends_the_conversation_for_now() -> None:
    bench = Bench()
    bench.serve("config")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    outputs = bench.accept(5, status="AWAITING")
    assert said(outputs) == ["AWAITING"]
    assert until(outputs) == 3605
    assert bench.device.state is State.IDLE


def test_a_new_sign_in_sends_the_open_get_again_with_the_same_id() -> None:
    bench = Bench()
    bench.device.tick(10, HALF)
    bench.device.disconnected()
    outputs = bench.up(11)
    assert outputs[0] == bench.first[0]
    assert until(outputs) == 21, "the repeats begin anew"


def test_a_new_sign_in_pulls_though_the_interval_is_not_over() -> None:
    bench = Bench()
    bench.tell("commands", 1, status="PROVISIONED", commands=[], pending=0)
    bench.device.disconnected()
    assert verb(bench.up(2)) == "get"


def test_work_goes_on_while_the_connection_is_gone_and_is_reported_after_suback() -> None:
    bench = Bench()
    bench.serve("config", "config")
    bench.device.disconnected()
    assert executes(bench.device.executed("c0.0", Ok(), 1, HALF)) == "c1.0"
    assert bench.device.executed("c1.0", Ok(), 2, HALF) == []
    assert bench.device.tick(1e6, HALF) == []
    outputs = bench.up(3)
    assert verb(outputs) == "results"
    assert [result["id"] for result in body(outputs)["results"]] == ["c0.0", "c1.0"]


def test_a_timer_that_goes_off_while_the_link_is_down_or_work_is_under_way_changes_nothing() -> None:
    bench = Bench()
    bench.tell("commands", 1, status="READY", commands=[], pending=0)
    bench.device.disconnected()
    assert bench.device.tick(2, HALF) == []
    assert bench.device.tick(1e6, HALF) == []
    assert (bench.device.state, bench.device.request) == (State.IDLE, None)

    working = Bench()
    working.serve("config")
    assert working.device.tick(2, HALF) == []


def test_a_new_sign_in_in_the_middle_of_work_sends_nothing() -> None:
    bench = Bench()
    bench.serve("config")
    bench.device.disconnected()
    assert bench.up(1) == []
    assert bench.device.tick(1e6, HALF) == []
    assert verb(bench.device.executed("c0.0", Ok(), 2, HALF)) == "results"


def test_an_answer_that_comes_before_suback_counts_and_the_next_request_waits_for_suback() -> None:
    bench = Bench()
    bench.device.disconnected()
    bench.device.connected()
    assert executes(bench.serve("config")) == "c0.0"
    assert bench.device.executed("c0.0", Ok(), 1, HALF) == []
    (publish, _) = bench.device.subscribed(2, HALF)
    assert isinstance(publish, Publish)
    assert publish.topic.endswith("/results")
