"""Whatever the network does to single messages, the device ends PROVISIONED and each result counts once."""

import itertools

import pytest

from provisioning.simulator.device import State

from .world import Arrivals, World, world

# One get for two commands, their results, and so on: 4 commands, 2 a time, make 8 messages.
MESSAGES = 8
LOST: Arrivals = ()
TWICE: Arrivals = (0.01, 0.02)
TWICE_FAR_APART: Arrivals = (0.01, 30.0)
AFTER_THE_REPEAT: Arrivals = (25.0,)
VERY_LATE: Arrivals = (0.01, 3000.0)


def check(talk: World) -> None:
    talk.connect()
    talk.run()
    assert talk.service.status() == "PROVISIONED"
    assert talk.said[-1] == "PROVISIONED"
    assert [row.stored for row in talk.service.rows] == [1, 1, 1, 1]
    assert talk.keys == 1
    assert talk.service.conflicts == 0
    assert talk.device.state is State.IDLE
    assert talk.device.memory == {}
    assert talk.storage == {}


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_a_good_day_takes_one_message_for_each_step(form: str) -> None:
    talk = world(form, limit=2)
    check(talk)
    assert talk.sent == MESSAGES
    assert [verb for verb, _ in talk.service.heard] == ["get", "results"] * 2
    assert talk.now < 1


@pytest.mark.parametrize("form", ["json", "cbor"])
@pytest.mark.parametrize("position", range(MESSAGES))
@pytest.mark.parametrize("arrivals", [LOST, TWICE, TWICE_FAR_APART, AFTER_THE_REPEAT, VERY_LATE])
def test_any_message_may_be_lost_or_doubled_or_late(form: str, position: int, arrivals: Arrivals) -> None:
    check(world(form, limit=2, fates={position: arrivals}))


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(range(MESSAGES + 2), 2)))
def test_any_two_messages_may_be_lost(first: int, second: int) -> None:
    check(world(limit=2, fates={first: LOST, second: LOST}))


@pytest.mark.parametrize("position", range(MESSAGES))
def test_ten_losses_in_a_row_cost_only_time(position: int) -> None:
    check(world(limit=2, fates=dict.fromkeys(range(position, position + 10), LOST)))


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
@pytest.mark.parametrize("position", range(MESSAGES))
def test_the_jitter_does_not_matter(jitter: float, position: int) -> None:
    check(world(limit=2, jitter=jitter, fates={position: TWICE_FAR_APART, position + 1: LOST}))


@pytest.mark.parametrize("position", range(MESSAGES))
def test_losing_the_connection_at_any_moment_costs_nothing(position: int) -> None:
    talk = world(limit=2)
    talk.connect()
    for _ in range(position):
        talk.step()
    talk.events.clear()  # what was on its way is gone with the session (clean session, WIRE.md 1.7)
    talk.reconnect()
    check_from_here(talk)
    assert talk.keys == 1


@pytest.mark.parametrize("position", range(MESSAGES))
def test_a_reboot_at_any_moment_makes_no_second_key(position: int) -> None:
    talk = world(limit=2)
    talk.connect()
    for _ in range(position):
        talk.step()
    talk.events.clear()
    talk.boot()
    talk.connect()
    check_from_here(talk)
    assert talk.keys == 1


@pytest.mark.parametrize("position", range(MESSAGES))
def test_a_reboot_may_leave_old_messages_on_their_way(position: int) -> None:
    talk = world(limit=2)
    talk.connect()
    for _ in range(position):
        talk.step()
    talk.boot()
    talk.connect()
    check_from_here(talk)
    assert talk.keys == 1


def check_from_here(talk: World) -> None:
    talk.run()
    assert talk.service.status() == "PROVISIONED"
    assert [row.stored for row in talk.service.rows] == [1, 1, 1, 1]
    assert talk.service.conflicts == 0
    assert talk.said[-1:] == ["PROVISIONED"]
