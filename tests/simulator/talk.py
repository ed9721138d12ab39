"""A device on a test's bench: bytes by hand, and what comes out of it read back."""

import json
from typing import Any

from provisioning.simulator.device import Device
from provisioning.simulator.ports import Done, Execute, Output, Profile, Publish, Timing, Wait

from .service import ID, ROOT

HALF = 0.5  # the jitter that changes nothing: a factor of 1


class Bench:
    """A json device, by default signed in and with SUBACK at time 0, so with a `get` open."""

    def __init__(self, *, up: bool = True, about: dict[str, Any] | None = None, **more: Any) -> None:
        self.storage: dict[str, bytes] = more.pop("storage", {})
        self.device = Device(Profile(ID, "b", about=about), self.storage, more.pop("timing", Timing()))
        assert not more
        self.first = self.up(0.0) if up else []

    def up(self, now: float, jitter: float = HALF) -> list[Output]:
        self.device.connected()
        return self.device.subscribed(now, jitter)

    def tell(self, verb: str, now: float, jitter: float = HALF, **body: Any) -> list[Output]:
        """A message with this body, in the usual case with the id of the open request."""
        request = self.device.request
        if verb != "notify" and "id" not in body and request is not None:
            body["id"] = request.id
        return self.raw(verb, json.dumps(body).encode(), now, jitter)

    def raw(self, verb: str, payload: bytes, now: float, jitter: float = HALF) -> list[Output]:
        middle = "" if verb == "notify" else "json/"
        return self.device.message(f"{ROOT}/{ID}/{middle}{verb}", payload, now, jitter)

    def serve(self, *types: str, now: float = 0.0, attempt: int = 0, pending: int = 0) -> list[Output]:
        """An answer with one command of each of these types, ids by their place."""
        commands = [
            {"id": f"c{place}.{attempt:x}", "type": kind, "params": {"place": place}}
            for place, kind in enumerate(types)
        ]
        return self.tell("commands", now, status="PROVISIONING", commands=commands, pending=pending)

    def accept(
        self, now: float = 0.0, *, pending: int = 0, status: str = "AWAITING", **words: str
    ) -> list[Output]:
        """`accepted` with `stored` for each result of the open request, but for those named c0=..., c1=..."""
        sent = [result.id for result in self.device.done]
        results = {result: words.get(result.partition(".")[0], "stored") for result in sent}
        return self.tell("accepted", now, status=status, results=results, pending=pending)


def body(outputs: list[Output]) -> dict[str, Any]:
    """What the one Publish among the outputs says."""
    (publish,) = [output for output in outputs if isinstance(output, Publish)]
    loaded = json.loads(publish.payload)
    assert isinstance(loaded, dict)
    return loaded


def verb(outputs: list[Output]) -> str:
    """The verb of the one Publish among the outputs."""
    (publish,) = [output for output in outputs if isinstance(output, Publish)]
    assert publish.topic.startswith(f"{ROOT}/{ID}/json/")
    return publish.topic.rpartition("/")[2]


def until(outputs: list[Output]) -> float:
    """The time of the one Wait among the outputs."""
    (wait,) = [output for output in outputs if isinstance(output, Wait)]
    return wait.until


def executes(outputs: list[Output]) -> str:
    """The correlation id of the one Execute, which stands alone."""
    (output,) = outputs
    assert isinstance(output, Execute)
    return output.command.id


def said(outputs: list[Output]) -> list[str]:
    """The statuses of Done."""
    return [output.status for output in outputs if isinstance(output, Done)]
