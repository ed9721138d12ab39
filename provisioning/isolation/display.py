"""What is seen of the proof: a bar while it goes on, a table at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from provisioning.isolation.verdict import Row, Verdict


@contextmanager
def progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, nothing anywhere else; what it yields is called once for each part."""
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def report(rows: Sequence[Row], console: Console, *, everything: bool) -> int:
    """Prints the table and what it comes to; the exit code."""
    shown = rows if everything else _folded(rows)
    widths = [max(len(text) for text in column) for column in zip(*map(_cells, shown), strict=True)]
    for row in shown:
        line = "  ".join(text.ljust(width) for text, width in zip(_cells(row), widths, strict=True))
        console.print(f"{line}  {row.why}".rstrip(), style=_style(row), highlight=False, markup=False)
    counts = Counter(row.verdict for row in rows)
    bad = sum(row.bad for row in rows)
    said = ", ".join(f"{counts[one]} {one.value}" for one in Verdict if counts[one])
    console.print(f"{len(rows)} questions: {said}.", highlight=False)
    console.print(
        "A tenant gets at something that is not its own."
        if counts[Verdict.LEAK]
        else "Not everything could be proven."
        if bad
        else "Nothing leaks.",
        highlight=False,
    )
    return 1 if bad or not rows else 0


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    return row.name, row.who, row.asked, str(row.status or "–"), row.verdict.value


def _folded(rows: Sequence[Row]) -> list[Row]:
    """One row for each operation, and every bad one."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.name not in found or not found[row.name].bad:
            found.setdefault(row.name, row)
    bad = [row for row in rows if row.bad]
    return [row for row in found.values() if row.name not in {one.name for one in bad}] + bad


def _style(row: Row) -> str | None:
    return {Verdict.LEAK: "bold red", Verdict.UNPROVEN: "yellow"}.get(row.verdict)
