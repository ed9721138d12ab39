"""What became of a simulated fleet. Values and sums; no I/O."""

from dataclasses import dataclass, field
from statistics import quantiles

PROVISIONED = "PROVISIONED"


@dataclass(frozen=True, slots=True)
class Fate:
    """How it ended for one device: the service's status of it, or what kept it from having one, and why."""

    device: str
    status: str
    why: str = ""


@dataclass(slots=True)
class Summary:
    """What there is so far. `devices` were asked for; `trips` are round trips of requests, in seconds."""

    devices: int
    fates: list[Fate] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def failed(self) -> list[Fate]:
        """Every device that ended otherwise than PROVISIONED."""
        return [fate for fate in self.fates if fate.status != PROVISIONED]

    @property
    def provisioned(self) -> int:
        """How many ended PROVISIONED."""
        return len(self.fates) - len(self.failed)

    @property
    def complete(self) -> bool:
        """Whether every device that was asked for is PROVISIONED."""
        return self.provisioned == self.devices

    def percentile(self, percent: int) -> float | None:
        """This percentile of the round trips, in seconds; None while there are fewer than two."""
        if len(self.trips) < 2:
            return None
        return quantiles(self.trips, n=100, method="inclusive")[percent - 1]

    def lines(self, most: int = 20) -> list[str]:
        """The summary for people, with the first `most` devices that failed."""
        rate = self.provisioned / self.seconds if self.seconds else 0.0
        lines = [f"interrupted after {len(self.fates)} of {self.devices} devices"] if self.interrupted else []
        lines.append(
            f"{self.provisioned} provisioned, {len(self.failed)} failed in {self.seconds:.1f} s:"
            f" {rate:.1f} devices/s"
        )
        median, tail = self.percentile(50), self.percentile(95)
        if median is not None and tail is not None:
            lines.append(f"round trip p50 {median * 1000:.1f} ms, p95 {tail * 1000:.1f} ms")
        lines.extend(f"{fate.device} is {fate.status}: {fate.why}" for fate in self.failed[:most])
        if len(self.failed) > most:
            lines.append(f"and {len(self.failed) - most} more")
        return lines
