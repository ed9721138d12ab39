"""What a `get` brings, what it leaves, and which command fails because of it. Source: WIRE.md 2.2 to 2.7."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from commands import run as rules
from commands.machine import Command, Error, ErrorCode, State
from provisioning.wire import correlation
from tests.core import oracle
from tests.core.lists import NOW, SECOND, SHORT, child, command, run, states, uuid
from tests.core.service import DEVICE, DUMPS, Body, Params, Service, read

DONE, FAILED, WAITS, UNDER_WAY, SKIPPED = (
    State.SUCCEEDED,
    State.FAILED,
    State.PENDING,
    State.IN_PROGRESS,
    State.SKIPPED,
)
formats = pytest.mark.parametrize("format", ["json", "cbor"])


def get(service: Service, body: Body | None = None, received: datetime = NOW, format: str = "json") -> Body:
    """The body of `commands`."""
    verb, answer = service.say(format, "get", body or {}, received, received)
    assert verb == "commands"
    return answer


def brought(answer: Body) -> list[int]:
    """The positions of what an answer brought; a child has its request's and 1,000."""
    return [int(item["id"].partition(".")[0].replace("-", ""), 16) for item in answer["commands"]]


def listed(*names: str, **more: Any) -> Service:
    return Service([command(place, name) for place, name in enumerate(names, 1)], **more)


# ---- 2.2: what an answer says


@formats
def test_an_answer_has_the_commands_their_number_and_the_status(format: str) -> None:
    service = listed("config", "finished", params={uuid(1): {"interval": "600", "server": "a"}})
    service.change(uuid(1), attempt=26)
    answer = get(service, {"id": "g1", "limit": 1}, format=format)
    assert answer == {
        "id": "g1",
        "status": "PROVISIONING",
        "commands": [
            {
                "id": f"{uuid(1)}.1a",
                "type": "config",
                "params": {"interval": "600", "server": "a"},
            }
        ],
        "pending": 1,
    }
    assert states(service.run) == [UNDER_WAY, WAITS]
    assert (service.device.status, service.device.pending) == ("PROVISIONING", 2)
    assert (service.commands[0].deliveries, service.commands[0].served_at) == (1, NOW)


@formats
def test_an_empty_payload_is_a_get(format: str) -> None:
    service = listed("config")
    (reply,) = service.apply([read(format, "get", b"", NOW)], NOW)
    assert reply.verb == "commands"
    assert states(service.run) == [UNDER_WAY]


NOTHING: dict[str, tuple[str, list[Command]]] = {
    "READY": ("READY", []),
    "skipped": ("READY", [command(1, state=SKIPPED)]),
    "AWAITING the owner": ("AWAITING", [command(1, state=DONE)]),
    "AWAITING a person": ("AWAITING", [command(1, "manual", DONE), command(2)]),
    "ERROR": ("ERROR", [command(1, state=FAILED), command(2)]),
    "behind an undecided CSR": ("PROVISIONING", [command(1, "auto", DONE), command(2), command(3)]),
}


@pytest.mark.parametrize(("word", "commands"), NOTHING.values(), ids=NOTHING.keys())
def test_nothing_to_do_is_an_empty_list_and_the_status_says_why(word: str, commands: list[Command]) -> None:
    service = Service(list(commands))
    assert get(service) == {"status": word, "commands": [], "pending": 0}
    assert service.commands == commands
    assert service.device.pending == 0
    assert service.folds[0].entries == []


def test_a_blocked_device_gets_nothing_and_leaves_no_trace_but_the_refusal() -> None:
    blocked = replace(DEVICE, blocked=True, status="BLOCKED")
    service = listed("config", device=blocked)
    verb, answer = service.say("json", "get", {"id": "g1"}, NOW, NOW)
    assert (verb, answer["code"], answer["id"]) == ("rejected", "BLOCKED", "g1")
    assert (service.device, states(service.run)) == (blocked, [WAITS])
    assert [(entry.kind, entry.data["code"]) for entry in service.folds[0].entries] == [
        ("refused", "BLOCKED")
    ]


def test_the_timeline_says_what_was_served() -> None:
    service = listed("config", "config", "finished")
    get(service, {"limit": 1})
    get(service, {"limit": 2}, NOW + SECOND)
    (one,), (two,) = (fold.entries for fold in service.folds)
    assert (one.kind, one.at, one.command_id) == ("served", NOW, uuid(1))
    assert one.data == {"commands": [correlation.make(uuid(1), 0)], "pending": 2}
    assert two.command_id is None
    assert two.data["commands"] == [correlation.make(uuid(place), 0) for place in (1, 2)]


# ---- 2.3: the order, and what ends an answer


def test_commands_come_in_list_order_and_unanswered_ones_again() -> None:
    service = Service(
        [command(1, state=DONE), command(2, state=UNDER_WAY), command(3), command(4, "finished")]
    )
    assert brought(get(service)) == [2, 3, 4]
    assert brought(get(service, received=NOW + SECOND)) == [2, 3, 4]


def test_finished_ends_the_answer() -> None:
    service = listed("config", "finished", "config", "finished")
    answer = get(service)
    assert (brought(answer), answer["pending"]) == ([1, 2], 0)


def test_finished_comes_only_with_every_open_command_before_it() -> None:
    service = listed("config", "config", "finished")
    for received, limit, expected in (
        (NOW, 1, [1]),
        (NOW + SECOND, 2, [1, 2]),
        (NOW + 2 * SECOND, 3, [1, 2, 3]),
    ):
        assert brought(get(service, {"limit": limit}, received)) == expected


@pytest.mark.parametrize("name", ["auto", "manual"])
def test_a_request_to_be_issued_ends_the_answer(name: str) -> None:
    service = listed("config", name, "config")
    answer = get(service)
    assert (brought(answer), answer["pending"]) == ([1, 2], 0)


def test_a_request_that_nobody_issues_does_not_end_the_answer() -> None:
    assert brought(get(listed("csr", "config"))) == [1, 2]


def test_what_stands_behind_a_request_comes_with_its_certificate() -> None:
    service = Service([command(1, "auto", DONE), child(1), command(2)])
    assert brought(get(service)) == [1001, 2]


def test_a_skipped_finished_ends_nothing() -> None:
    service = Service([command(1, "finished", SKIPPED), command(2), command(3, "finished")])
    assert brought(get(service)) == [2, 3]


# ---- 2.4: how much fits


def test_an_answer_holds_ten_unless_the_device_says_otherwise() -> None:
    service = listed(*["config"] * 20)
    answer = get(service)
    assert (brought(answer), answer["pending"]) == (list(range(1, 11)), 10)
    assert len(brought(get(service, {"limit": 20}, NOW + SECOND))) == 20


@formats
@pytest.mark.parametrize("size", [512, 600, 800, 1200])
def test_an_answer_is_as_full_as_the_device_can_receive(format: str, size: int) -> None:
    params: Params = {uuid(place): {"text": "x" * 150 * place} for place in range(1, 6)}

    def length(bounds: Body) -> tuple[int, int]:
        service = listed(*["config"] * 5, params=params)
        (reply,) = service.apply([read(format, "get", DUMPS[format](bounds), NOW)], NOW)
        return len(reply.payload), states(service.run).count(UNDER_WAY)

    bytes_sent, count = length({"rxMaxSize": size})
    assert bytes_sent <= size
    assert 1 <= count < 5
    assert length({"rxMaxSize": 65536, "limit": count + 1})[0] > size


def test_eight_kilobytes_is_what_a_device_can_receive_that_says_nothing() -> None:
    params = {uuid(place): {"text": "x" * 4000} for place in (1, 2)}
    answer = get(listed("config", "config", params=params))
    assert (brought(answer), answer["pending"]) == ([1], 1)


def test_a_command_that_can_never_fit_stops_the_answer_in_front_of_it() -> None:
    service = listed("config", "config", "config", params={uuid(2): {"text": "x" * 900}})
    answer = get(service, {"rxMaxSize": 512})
    assert (brought(answer), answer["status"], answer["pending"]) == ([1], "PROVISIONING", 2)
    assert states(service.run) == [UNDER_WAY, WAITS, WAITS]


@pytest.mark.parametrize("state", [WAITS, UNDER_WAY])
def test_a_command_that_can_never_fit_fails_at_the_head_of_what_is_open(state: State) -> None:
    service = Service(
        [command(1, state=DONE), command(2, state=state), command(3, state=state)],
        {uuid(2): {"text": "x" * 900}},
    )
    answer = get(service, {"id": "g", "rxMaxSize": 512})
    assert answer == {"id": "g", "status": "ERROR", "commands": [], "pending": 0}
    assert states(service.run) == [DONE, FAILED, WAITS]
    assert service.commands[1].error == Error(
        ErrorCode.TOO_LARGE,
        "The command does not fit the 512 bytes that the device can receive. Send less in it.",
    )


# ---- 2.5: what the device can do


def types(*names: str) -> Body:
    return {"types": [SHORT[name] for name in names]}


def test_a_command_that_the_device_cannot_do_stops_the_answer_in_front_of_it() -> None:
    service = listed("config", "psk", "config")
    answer = get(service, types("config", "finished"))
    assert (brought(answer), answer["pending"]) == ([1], 2)
    assert states(service.run) == [UNDER_WAY, WAITS, WAITS]


@pytest.mark.parametrize("able", [types("config"), {"types": []}])
def test_a_command_that_the_device_cannot_do_fails_at_the_head_of_what_is_open(able: Body) -> None:
    service = Service([command(1, state=DONE), command(2, "psk"), command(3)])
    assert get(service, able) == {"status": "ERROR", "commands": [], "pending": 0}
    assert service.commands[1].error == Error(
        ErrorCode.UNSUPPORTED,
        "The device says that it cannot do preSharedKey. Skip it, or update the device and reset it.",
    )
    assert states(service.run) == [DONE, FAILED, WAITS]


def test_a_device_that_can_do_it_but_not_receive_it_is_told_that_it_is_too_large() -> None:
    service = listed("config", params={uuid(1): {"text": "x" * 900}})
    get(service, {"rxMaxSize": 512, **types("config")})
    assert service.commands[0].error is not None
    assert service.commands[0].error.code is ErrorCode.TOO_LARGE


def test_a_device_that_says_nothing_can_do_everything() -> None:
    assert len(brought(get(listed("config", "key", "access", "csr", "certificate", "psk", "finished")))) == 7


# ---- 2.6: `after` proves nothing


def test_after_is_a_hint_only() -> None:
    service = Service([command(1, state=UNDER_WAY), command(2)])
    assert brought(get(service, {"after": correlation.make(uuid(1), 0)})) == [1, 2]


# ---- 2.7: deliveries


def test_a_command_left_unanswered_ten_times_fails_at_the_next_get() -> None:
    service = listed("config", "config")
    for turn in range(10):
        assert brought(get(service, received=NOW + turn * SECOND)) == [1, 2]
        assert service.commands[0].deliveries == turn + 1
    answer = get(service, received=NOW + 10 * SECOND)
    assert (answer["status"], answer["commands"], answer["pending"]) == ("ERROR", [], 0)
    assert service.commands[0].error == Error(
        ErrorCode.DELIVERY_EXHAUSTED, "Served 10 times without an answer."
    )
    assert states(service.run) == [FAILED, WAITS]
    assert service.commands[1].deliveries == 0


def test_the_number_of_deliveries_is_a_setting() -> None:
    service = listed("config", max_deliveries=1)
    assert brought(get(service)) == [1]
    assert get(service, received=NOW + SECOND)["status"] == "ERROR"


def test_only_what_was_left_unanswered_fails() -> None:
    service = Service([command(1, attempt=1), command(2, state=UNDER_WAY, deliveries=10)])
    assert get(service)["status"] == "ERROR"
    assert states(service.run) == [WAITS, FAILED]


def test_a_get_that_is_throttled_is_no_delivery() -> None:
    service = listed("config", device=replace(DEVICE, next_get_at=NOW + 60 * SECOND))
    service.change(uuid(1), state=UNDER_WAY, deliveries=10, served_at=NOW - SECOND)
    verb, answer = service.say("json", "get", {"id": "g"}, NOW, NOW)
    assert (verb, answer["code"], answer["retryAfter"], answer["id"]) == ("rejected", "THROTTLED", 51, "g")
    assert states(service.run) == [UNDER_WAY]
    assert service.device.last_seen_at == NOW


def test_repeats_that_were_under_way_count_once() -> None:
    service = listed("config")
    # All came in before the answer to the first was sent, one second later.
    gets = [read("json", "get", b"", NOW + turn * SECOND / 10) for turn in range(8)]
    sent = NOW + SECOND
    assert [reply.verb for reply in service.apply(gets[:5], sent)] == ["commands"] * 5
    service.apply(gets[5:], sent + SECOND)
    assert (service.commands[0].deliveries, service.commands[0].served_at) == (1, sent)
    get(service, received=sent)
    assert service.commands[0].deliveries == 1
    get(service, received=sent + SECOND / 1000)
    assert service.commands[0].deliveries == 2


def test_what_was_freed_by_a_failure_is_served_anew_also_by_a_repeat_that_was_under_way() -> None:
    service = Service([command(1, served_at=NOW + SECOND)])
    get(service)
    assert (service.commands[0].state, service.commands[0].deliveries) == (UNDER_WAY, 1)


def test_repeats_that_were_under_way_use_up_nothing() -> None:
    service = listed("config", max_deliveries=1)
    gets = [read("json", "get", b"", NOW) for _ in range(5)]
    assert [reply.verb for reply in service.apply(gets, NOW + SECOND)] == ["commands"] * 5
    assert states(service.run) == [UNDER_WAY]


def test_a_new_attempt_has_all_its_deliveries() -> None:
    service = Service([command(1, state=UNDER_WAY, deliveries=10)])
    after = rules.reset(service.run, service.last, uuid(1), NOW)
    service.write(service.commands, after.commands)
    answer = get(service, received=NOW - SECOND)
    assert answer["commands"][0]["id"] == correlation.make(uuid(1), 1)
    assert service.commands[0].deliveries == 1


# ---- the batch


def test_the_newest_contact_is_remembered_whatever_the_order() -> None:
    service = listed("config")
    for received in (NOW + SECOND, NOW):
        get(service, received=received)
        assert service.device.last_seen_at == NOW + SECOND


def test_a_batch_is_answered_like_its_messages_one_by_one() -> None:
    done = {"results": [{"id": correlation.make(uuid(1), 0), "ok": True}]}
    batch = [
        read("json", "get", b"", NOW),
        read("cbor", "results", DUMPS["cbor"](done), NOW + SECOND),
        read("cbor", "get", b"", NOW + 2 * SECOND),
    ]
    at_once, one_by_one = listed("config", "finished"), listed("config", "finished")
    replies = at_once.apply(batch, NOW + 3 * SECOND)
    assert replies == [one_by_one.apply([request], NOW + 3 * SECOND)[0] for request in batch]
    assert (at_once.commands, at_once.device) == (one_by_one.commands, one_by_one.device)


def test_what_may_be_served_is_what_the_wire_says() -> None:
    # The second opinion is tried on every list in test_device_status.py.
    found = run(command(1, state=DONE), command(2), command(3, "manual"), command(4))
    assert rules.servable(found) == oracle.servable(found.commands, 0, blocked=False)
    assert [c.position for c in rules.servable(found)] == [2, 3]
