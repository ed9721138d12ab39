"""What the client asks of its surroundings and must be told about itself. Values only; no I/O, no clock.

`device.Device` returns the outputs below; `Profile`, `Timing` and `Storage` are what it is made with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from provisioning.simulator.formats import Command, Format


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe with QoS 1, then call `subscribed` when SUBACK grants every filter."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish with QoS 1, never retained (WIRE.md 1.4)."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """Do this command, then call `executed` with its id."""

    command: Command


@dataclass(frozen=True, slots=True)
class Wait:
    """Call `tick` at this time. Takes the place of every earlier Wait."""

    until: float


@dataclass(frozen=True, slots=True)
class Done:
    """There is nothing to do at present, and `status` says why (WIRE.md 2.2)."""

    status: str


Output = Subscribe | Publish | Execute | Wait | Done


class Storage(Protocol):
    """What survives a reboot, by correlation id; a dict will do. OSError where it cannot keep something."""

    def get(self, key: str, /) -> bytes | None: ...
    def __setitem__(self, key: str, value: bytes, /) -> None: ...
    def pop(self, key: str, default: None, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait, in seconds: WIRE.md 6.3, 6.4, and the device's own interval (5.1)."""

    first_repeat: float = 10
    longest_repeat: float = 600
    after_malformed: float = 60
    shut_out: float = 3600
    interval: float = 3600

    def scaled(self, factor: float) -> "Timing":
        """The same waits, all longer or shorter; for tests and for people who watch."""
        waits = (self.first_repeat, self.longest_repeat, self.after_malformed, self.shut_out, self.interval)
        return Timing(*(factor * wait for wait in waits))

    def repeat(self, sent: int, jitter: float) -> float:
        """How long to wait for the answer to what was sent `sent` times: 10, 20, 40 … 600 s, ± 20 %."""
        # The exponent is bounded because a device may repeat for years.
        return min(self.first_repeat * 2.0 ** min(sent - 1, 32), self.longest_repeat) * spread(jitter)


def spread(jitter: float) -> float:
    """A factor of 1 ± 20 %, so that a fleet that fell silent together does not come back together."""
    return 0.8 + 0.4 * jitter


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the device is (WIRE.md 1.1, 1.6), and in `about` what it tells of itself in `get` (2.1).

    `boot` differs from boot to boot (a counter in flash, or random), so that an answer from before a reboot
    is not taken for one to a request after it.
    """

    id: str
    boot: str
    format: Format = Format.JSON
    root: str = "prov/v1"
    about: Mapping[str, Any] | None = None

    def topic(self, verb: str) -> str:
        """The topic of this device for a verb (WIRE.md 1.2)."""
        inner = verb if verb == "notify" else f"{self.format}/{verb}"
        return f"{self.root}/{self.id}/{inner}"
