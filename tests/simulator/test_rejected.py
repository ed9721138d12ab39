"""What the client does when it is told no (WIRE.md 4.1, 6.4), for both kinds of request."""

from typing import Any

import pytest

from provisioning.simulator.device import State
from provisioning.simulator.formats import Ok
from provisioning.simulator.ports import Wait

from .talk import HALF, Bench, body, executes, until, verb
from .world import world

SHUT_OUT = ["BLOCKED", "NOT_CLAIMED", "UNSUPPORTED_FORMAT"]
UNREADABLE = ["MALFORMED", "TOO_LARGE"]
AS_NO_ANSWER = ["INTERNAL", "A_LATER_CODE"]


def asking() -> Bench:
    return Bench()


def reporting() -> Bench:
    bench = Bench()
    bench.serve("config")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    return bench


def refuse(bench: Bench, now: float, code: str, **more: Any) -> list[Any]:
    return list(bench.tell("rejected", now, code=code, message="no", **more))


@pytest.mark.parametrize("code", AS_NO_ANSWER)
@pytest.mark.parametrize("start", [asking, reporting])
def test_internal_is_as_no_answer(start: Any, code: str) -> None:
    bench = start()
    request = bench.device.request
    assert refuse(bench, 1, code) == []
    again = bench.device.tick(10, HALF)
    assert again[0].payload == request.payload
    assert until(again) == 30, "the repeats go on where they were"


def test_a_throttled_get_is_followed_by_a_new_one_after_retry_after() -> None:
    bench = asking()
    assert refuse(bench, 1, "THROTTLED", retryAfter=7) == [Wait(8)]
    assert bench.device.tick(7.9, HALF) == [Wait(8)]
    assert body(bench.device.tick(8, HALF)) == {"id": "b-2"}


def test_throttled_results_are_sent_again_after_retry_after_and_no_get_before() -> None:
    bench = reporting()
    request = bench.device.request
    assert request is not None
    assert refuse(bench, 1, "THROTTLED", retryAfter=0.5) == [Wait(1.5)]
    again = bench.device.tick(1.5, HALF)
    assert verb(again) == "results"
    assert body(again)["id"] == request.id
    assert until(again) == 11.5


@pytest.mark.parametrize("retry_after", [None, -1, "soon", float("nan")])
def test_throttled_without_a_time_is_as_no_answer(retry_after: Any) -> None:
    bench = asking()
    assert refuse(bench, 1, "THROTTLED", retryAfter=retry_after) == []
    assert verb(bench.device.tick(10, HALF)) == "get"


def test_no_retry_after_puts_a_device_to_sleep_for_more_than_a_day() -> None:
    bench = asking()
    assert refuse(bench, 0, "THROTTLED", retryAfter=10**400) == [Wait(86_400)]


@pytest.mark.parametrize("start", [asking, reporting])
def test_a_wait_that_was_told_is_kept_through_a_new_sign_in_and_a_notify(start: Any) -> None:
    bench = start()
    refuse(bench, 1, "THROTTLED", retryAfter=100)
    bench.device.disconnected()
    assert bench.up(2) == [Wait(101)]
    assert bench.tell("notify", 3, within=1, pending=1) == []
    assert bench.device.tick(50, HALF) == [Wait(101)]
    assert bench.device.tick(101, HALF) != []


@pytest.mark.parametrize("code", SHUT_OUT)
def test_a_device_that_is_shut_out_asks_again_in_an_hour(code: str) -> None:
    bench = asking()
    assert refuse(bench, 1, code) == [Wait(3601)]
    assert verb(bench.device.tick(3601, HALF)) == "get"


@pytest.mark.parametrize("code", SHUT_OUT)
def test_results_that_were_shut_out_are_sent_again_in_an_hour(code: str) -> None:
    bench = reporting()
    request = bench.device.request
    assert request is not None
    assert refuse(bench, 1, code) == [Wait(3601)]
    assert body(bench.device.tick(3601, HALF))["id"] == request.id


@pytest.mark.parametrize("start", [asking, reporting])
def test_a_notify_brings_back_a_device_that_was_shut_out(start: Any) -> None:
    bench = start()
    kind = bench.device.request.topic
    refuse(bench, 1, "BLOCKED")
    assert bench.tell("notify", 10, 0.25, within=8, pending=1) == [Wait(12)]
    assert bench.device.tick(12, HALF)[0].topic == kind


@pytest.mark.parametrize("start", [asking, reporting])
def test_a_new_sign_in_brings_back_a_device_that_was_shut_out(start: Any) -> None:
    bench = start()
    kind = bench.device.request.topic
    refuse(bench, 1, "BLOCKED")
    bench.device.disconnected()
    assert bench.up(2)[0].topic == kind


@pytest.mark.parametrize("code", UNREADABLE)
@pytest.mark.parametrize("start", [asking, reporting])
@pytest.mark.parametrize("id_given", [True, False])
def test_what_the_service_could_not_read_is_not_sent_again(start: Any, code: str, id_given: bool) -> None:
    bench = start()
    request = bench.device.request
    refused = (
        refuse(bench, 1, code) if id_given else bench.raw("rejected", b'{"code":"%s"}' % code.encode(), 1)
    )
    assert refused == [Wait(61)]
    assert bench.device.tick(60.9, HALF) == [Wait(61)]
    outputs = bench.device.tick(61, HALF)
    assert verb(outputs) == "get"
    assert body(outputs)["id"] != request.id


def test_the_results_that_could_not_be_read_are_still_known_when_they_are_asked_for_again() -> None:
    bench = reporting()
    refuse(bench, 1, "MALFORMED")
    bench.device.tick(61, HALF)
    outputs = bench.serve("config", now=62)
    assert body(outputs) == {"id": "b-4", "results": [{"id": "c0.0", "ok": True}]}


def test_early_asks_for_commands_at_once_and_does_it_anew() -> None:
    bench = Bench()
    bench.serve("finished")
    bench.device.executed("c0.0", Ok(), 0, HALF)
    assert verb(bench.accept(1, c0="early")) == "get"
    assert executes(bench.serve("config", "finished", now=1, attempt=0)) == "c0.0"


@pytest.mark.parametrize("word", ["stored", "duplicate", "stale", "unknown", "conflict", "skipped"])
def test_no_other_word_asks_for_commands(word: str) -> None:
    bench = reporting()
    assert verb(bench.device.tick(10, HALF)) == "results"
    assert until(bench.accept(20, c0=word)) == 3620
    assert bench.device.state is State.IDLE


def test_a_rejection_while_nothing_is_open_is_ignored() -> None:
    bench = asking()
    bench.serve("config")
    for code in [*SHUT_OUT, *UNREADABLE, "THROTTLED"]:
        assert bench.raw("rejected", b'{"code":"%s","retryAfter":1}' % code.encode(), 1) == []
    assert bench.device.state is State.WORKING


def test_an_old_rejection_does_not_hold_up_what_comes_after_the_answer() -> None:
    bench = reporting()
    assert bench.device.request is not None
    id_given = bench.device.request.id
    refuse(bench, 1, "BLOCKED")
    bench.tell("notify", 2, 0.0, within=0, pending=1)
    bench.device.tick(2, HALF)
    refuse(bench, 3, "BLOCKED", id=id_given)  # the copy of a message that was late
    outputs = bench.accept(4, pending=1)
    assert verb(outputs) == "get"
    assert until(outputs) == 14
    assert bench.tell("notify", 5, 0.0, within=0, pending=1) == [], "the repeat comes at its own time"
    assert verb(bench.device.tick(14, HALF)) == "get"


def test_once_it_was_sent_again_a_notify_does_not_hasten_the_next_repeat() -> None:
    bench = reporting()
    refuse(bench, 1, "BLOCKED")
    assert until(bench.device.tick(3601, HALF)) == 3611
    assert bench.tell("notify", 3602, 0.0, within=0, pending=1) == []


ALL = [*AS_NO_ANSWER, *SHUT_OUT, *UNREADABLE, "THROTTLED"]


@pytest.mark.parametrize("form", ["json", "cbor"])
@pytest.mark.parametrize("code", ALL)
@pytest.mark.parametrize("position", range(4))
def test_after_any_rejection_of_any_request_the_device_still_ends_provisioned(
    form: str, code: str, position: int
) -> None:
    talk = world(form, limit=2)
    refusal = {"code": code, "retryAfter": 3} if code == "THROTTLED" else {"code": code}
    talk.service.refusals = [*[None] * position, refusal]
    talk.connect()
    talk.run(10_000)
    assert talk.service.status() == "PROVISIONED"
    assert talk.keys == 1
    assert talk.service.conflicts == 0
    assert [row.stored for row in talk.service.rows] == [1, 1, 1, 1]
