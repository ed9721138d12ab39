"""Shows a running fleet: a live bar on a terminal, a line now and then anywhere else."""

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

# The order in which devices pass through them; any other status is an end, and stands behind.
ORDER = ("READY", "PROVISIONING", "AWAITING", "PROVISIONED", "ERROR", "BLOCKED")

LINE_EVERY = 2.0  # seconds


class Display:
    """Counts devices by status. A context manager; `moved` may be called within it."""

    def __init__(self, devices: int, console: Console) -> None:
        self.devices = devices
        self.console = console
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def moved(self, old: str | None, new: str) -> None:
        """A device moved (`fleet.Watcher`)."""
        if old is not None:
            self.counts[old] -= 1
        self.counts[new] += 1
        self.show()

    def show(self) -> None:
        """Bring what is seen up to date."""

    def text(self) -> str:
        """The counts that are not 0."""
        names = [*ORDER, *sorted(self.counts.keys() - set(ORDER))]
        return "  ".join(f"{name} {self.counts[name]}" for name in names if self.counts[name])


class Live(Display):
    """A bar of the devices that are PROVISIONED, and the counts behind it."""

    def __init__(self, devices: int, console: Console) -> None:
        super().__init__(devices, console)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self.progress = Progress(*columns, console=console)
        self.task = self.progress.add_task("", total=devices)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def show(self) -> None:
        """The bar draws itself ten times a second; here it only gets its numbers."""
        self.progress.update(self.task, completed=self.counts["PROVISIONED"], description=self.text())


class Plain(Display):
    """At most one line in `LINE_EVERY` seconds, and one at the end."""

    def __init__(self, devices: int, console: Console) -> None:
        super().__init__(devices, console)
        self.shown = 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.console.print(self.text(), highlight=False, soft_wrap=True)

    def show(self) -> None:
        """Now or later."""
        now = time.monotonic()
        if now - self.shown >= LINE_EVERY:
            self.shown = now
            self.console.print(self.text(), highlight=False, soft_wrap=True)


def display(devices: int, console: Console) -> Display:
    """The one that suits where the console writes to."""
    return Live(devices, console) if console.is_terminal else Plain(devices, console)
