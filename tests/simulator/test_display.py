"""What people see of a fleet while it runs and when it is over."""

import io

import pytest
from rich.console import Console

from provisioning.simulator import display
from provisioning.simulator.summary import Fate, Summary


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def watch(seen: display.Display) -> None:
    for _ in range(3):
        seen.moved(None, "READY")
    seen.moved("READY", "PROVISIONING")
    seen.moved("PROVISIONING", "PROVISIONED")
    seen.moved("READY", "TIMED OUT")


def test_where_no_terminal_is_plain_lines_are_printed_and_the_last_counts_are_among_them() -> None:
    out = console(terminal=False)
    with display.display(3, out) as seen:
        watch(seen)
    lines = shown(out).splitlines()
    assert lines == ["READY 1", "READY 1  PROVISIONED 1  TIMED OUT 1"]


def test_on_a_terminal_there_is_a_bar_of_those_provisioned_with_the_counts() -> None:
    out = console(terminal=True)
    with display.display(3, out) as seen:
        watch(seen)
    assert "1/3" in shown(out)
    assert "READY 1  PROVISIONED 1  TIMED OUT 1" in shown(out)


def test_the_summary_says_how_many_how_fast_and_how_long_a_round_trip_took() -> None:
    summary = Summary(2, [Fate("a", "PROVISIONED"), Fate("b", "PROVISIONED")], [0.001, 0.002, 0.003], 4.0)
    assert summary.complete
    assert summary.lines() == [
        "2 provisioned, 0 failed in 4.0 s: 0.5 devices/s",
        "round trip p50 2.0 ms, p95 2.9 ms",
    ]


def test_the_summary_names_the_first_devices_that_failed_and_counts_the_others() -> None:
    summary = Summary(25, [Fate(f"d{number}", "ERROR", "because") for number in range(25)], seconds=1.0)
    lines = summary.lines(most=2)
    assert lines[1:] == ["d0 is ERROR: because", "d1 is ERROR: because", "and 23 more"]


@pytest.mark.parametrize("trips", [[], [0.5]])
def test_a_summary_without_round_trips_names_none(trips: list[float]) -> None:
    assert Summary(1, trips=trips).lines() == ["0 provisioned, 0 failed in 0.0 s: 0.0 devices/s"]


def test_a_fleet_that_was_not_finished_is_not_complete_though_nothing_failed() -> None:
    summary = Summary(3, [Fate("a", "PROVISIONED")], seconds=1.0, interrupted=True)
    assert not summary.complete
    assert summary.lines()[0] == "interrupted after 1 of 3 devices"
