"""One `get` a second, bursts of ten: the arithmetic against counting by hand. Source: WIRE.md 10."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provisioning.throttle import take
from tests.core.lists import NOW, SECOND

MILLISECOND = timedelta(milliseconds=1)
GAPS = st.sampled_from([1, 10, 250, 999, 1000, 1001, 3000, 20_000])
BURSTS = st.lists(st.tuples(GAPS, st.integers(1, 14)), min_size=1, max_size=8)


def fits(let_in: list[datetime], received: datetime) -> bool:
    """Whether one more leaves every stretch of time with at most ten and one for each of its seconds."""
    return all(
        len(let_in) - place + 1 <= 10 + (received - since) / SECOND for place, since in enumerate(let_in)
    )


@given(BURSTS)
def test_a_get_is_let_in_exactly_if_no_stretch_of_time_has_too_many(bursts: list[tuple[int, int]]) -> None:
    next_at, received = None, NOW
    let_in: list[datetime] = []
    for gap in [gap for first, count in bursts for gap in (first, *[0] * (count - 1))]:
        received += gap * MILLISECOND
        next_at, wait = take(next_at, received)
        assert (wait == 0) == fits(let_in, received)
        if wait:
            assert fits(let_in, received + wait * SECOND)
            assert not fits(let_in, received + (wait - 1) * SECOND)
        else:
            let_in.append(received)


def test_ten_at_once_are_let_in_and_the_eleventh_waits_a_second() -> None:
    next_at: datetime | None = None
    waits = []
    for _ in range(12):
        next_at, wait = take(next_at, NOW)
        waits.append(wait)
    assert waits == [0] * 10 + [1, 1]
    assert take(next_at, NOW + SECOND)[1] == 0


def test_one_a_second_goes_on_for_ever_also_after_a_burst() -> None:
    next_at: datetime | None = None
    for _ in range(10):
        next_at, _ = take(next_at, NOW)
    for turn in range(1, 100):
        next_at, wait = take(next_at, NOW + turn * SECOND)
        assert wait == 0


def test_a_refused_get_costs_nothing() -> None:
    next_at: datetime | None = NOW + 60 * SECOND
    for _ in range(100):
        next_at, wait = take(next_at, NOW)
        assert (next_at, wait) == (NOW + 60 * SECOND, 51)


def test_nobody_waits_for_a_clock_that_was_set_back() -> None:
    assert take(NOW + 3600 * SECOND, NOW) == (NOW + SECOND, 0)


@given(st.lists(st.integers(0, 30_000), min_size=2, max_size=40))
def test_stamps_out_of_order_give_nobody_more(stamps: list[int]) -> None:
    next_at: datetime | None = None
    memory = []
    for stamp in stamps:
        next_at, wait = take(next_at, NOW + stamp * MILLISECOND)
        memory.append(next_at)
        assert next_at <= NOW + stamp * MILLISECOND + 10 * SECOND or wait
    assert all(before <= after for before, after in pairwise(memory))
