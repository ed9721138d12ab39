"""How the client takes a notify (WIRE.md 5.1)."""

import pytest

from provisioning.simulator.formats import Ok

from .talk import HALF, Bench, until, verb


def idle(now: float = 0.0) -> Bench:
    bench = Bench()
    bench.tell("commands", now, status="READY", commands=[], pending=0)
    return bench


@pytest.mark.parametrize(("jitter", "moment"), [(0.0, 100.0), (0.5, 130.0), (0.75, 145.0)])
def test_an_idle_device_pulls_at_a_random_moment_within(jitter: float, moment: float) -> None:
    bench = idle()
    outputs = bench.tell("notify", 100, jitter, within=60, pending=1)
    assert until(outputs) == moment
    assert verb(bench.device.tick(moment, HALF)) == "get"


def test_a_second_notify_does_not_put_the_pull_off() -> None:
    bench = idle()
    bench.tell("notify", 100, 0.5, within=60, pending=1)
    assert until(bench.tell("notify", 101, 0.99, within=600, pending=2)) == 130


def test_a_notify_far_off_does_not_put_off_the_own_interval() -> None:
    bench = idle()
    assert until(bench.tell("notify", 100, 0.99, within=86_400, pending=1)) == 3600


def test_a_notify_while_asking_is_seen_to_once_the_answer_is_there() -> None:
    bench = Bench()
    assert bench.tell("notify", 1, 0.5, within=10, pending=1) == []
    outputs = bench.tell("commands", 2, status="READY", commands=[], pending=0)
    assert until(outputs) == 6
    assert verb(bench.device.tick(6, HALF)) == "get"


def test_a_notify_while_working_or_reporting_brings_a_get_after_accepted_and_not_before() -> None:
    bench = Bench()
    bench.serve("config")
    assert bench.tell("notify", 1, 0.5, within=2, pending=1) == []
    bench.device.executed("c0.0", Ok(), 3, HALF)
    assert bench.tell("notify", 4, 0.5, within=2, pending=1) == []
    assert verb(bench.device.tick(13, HALF)) == "results"
    assert until(bench.accept(14)) == 2
    assert verb(bench.device.tick(14, HALF)) == "get"


def test_a_get_that_was_sent_since_is_enough() -> None:
    bench = Bench()
    bench.serve("config", pending=1)
    bench.tell("notify", 1, 0.5, within=2, pending=1)
    bench.device.executed("c0.0", Ok(), 3, HALF)
    assert verb(bench.accept(4, pending=1)) == "get"
    outputs = bench.tell("commands", 5, status="READY", commands=[], pending=0)
    assert until(outputs) == 3605


def test_a_notify_is_json_whatever_the_format() -> None:
    from .world import world

    talk = world("cbor")
    talk.connect()
    talk.run()
    talk.service.add(("config", {"c": "d"}), ("finished", {}))
    talk.down(talk.service.notify(4))
    talk.run(100)
    assert talk.done[-2:] == ["command-4.0", "command-5.0"]


def test_a_notify_that_came_while_the_link_was_down_waits_for_the_sign_in() -> None:
    bench = idle()
    bench.device.disconnected()
    assert bench.tell("notify", 1, within=1, pending=1) == []
    assert verb(bench.up(5)) == "get"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'{"within":"soon"}', b'{"within":null}', b"\xff"])
def test_a_notify_that_cannot_be_read_is_none(payload: bytes) -> None:
    assert idle().raw("notify", payload, 1) == []


@pytest.mark.parametrize("within", [b"NaN", b"-5", b"-Infinity"])
def test_a_senseless_within_is_now(within: bytes) -> None:
    assert until(idle().raw("notify", b'{"within":%s}' % within, 7)) == 7
