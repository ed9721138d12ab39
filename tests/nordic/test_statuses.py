"""What a modem is told by HTTP status alone: Nordic's library knows these and no others."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cbor2
import pytest

from provisioning.simulator.modem import Modem
from tests.nordic import units
from tests.nordic.raw import Received, exchange
from tests.nordic.units import Unit
from tests.standalone.fleet import FINISHED
from tests.standalone.installation import Installation
from tests.standalone.rest import Owner

GET = "/v1/provisioning/commands?after=&rxMaxSize=2048&txMaxSize=2048&mver=2.0.0&cver=1"
POST = "/v1/provisioning/response"
CBOR = "application/cbor"
UNKNOWN = "9685ef84-8cac-4257-b5cc-94bc416a1c1d.0"


@dataclass(frozen=True, slots=True)
class Wire:
    """A modem's requests, byte by byte."""

    unit: Unit

    def get(self, token: str | None = None, accept: str = CBOR, target: str = GET) -> Received:
        """Asks for commands."""
        return exchange(self.unit.service.http, target, {"Accept": accept, **self.bearer(token)})

    def post(self, body: bytes, kind: str = CBOR, token: str | None = None) -> Received:
        """Reports."""
        return exchange(self.unit.service.http, POST, {"Content-Type": kind, **self.bearer(token)}, body)

    def bearer(self, token: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.unit.modem.jwt()}"}


@pytest.fixture
def wire(claimed: Unit) -> Wire:
    """Of a claimed modem."""
    return Wire(claimed)


def test_commands_are_200_in_cbor_and_nothing_is_204_without_a_body(wire: Wire) -> None:
    nothing = wire.get()
    assert (nothing.status, nothing.body) == (204, b"")
    wire.unit.device.add(FINISHED)
    found = wire.get()
    assert (found.status, found.headers["content-type"]) == (200, CBOR)
    assert found.headers["content-length"] == str(len(found.body))
    ((_, kind),) = cbor2.loads(found.body)
    assert kind == 2
    for answer in (nothing, found):
        assert answer.headers["connection"].lower() == "close"
        assert "content-encoding" not in answer.headers


def test_a_report_is_200_again_and_again(wire: Wire) -> None:
    (id,) = wire.unit.device.add(FINISHED)
    ((name, _),) = cbor2.loads(wire.get().body)
    for _ in range(3):
        said = wire.post(cbor2.dumps([[name, 102]]))
        assert (said.status, said.body) == (200, b"")
    assert wire.unit.device.command(id)["status"] == "SUCCEEDED"
    assert wire.unit.device.status == "PROVISIONED"


@pytest.mark.parametrize("response", [[UNKNOWN, 102], ["nonsense", 100, ""], [f"{UNKNOWN}.s", 99, 514, ""]])
def test_a_report_of_what_nobody_asked_is_200(wire: Wire, response: list[object]) -> None:
    assert wire.post(cbor2.dumps([response])).status == 200
    assert wire.unit.device.status == "READY"


@pytest.mark.parametrize(
    "body", [b"", b"\x80", b"\xff", b"nonsense", cbor2.dumps([["a.0", 7]]), cbor2.dumps({})]
)
def test_a_report_that_cannot_be_read_is_400(wire: Wire, body: bytes) -> None:
    assert wire.post(body).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "multipart/form-data"])
def test_another_media_type_is_415(wire: Wire, kind: str) -> None:
    assert wire.post(b"\x80", kind).status == 415


def test_an_unclaimed_device_whose_key_is_known_is_403(unit: Unit) -> None:
    assert Wire(unit).get().status == 403
    assert Wire(unit).post(b"\x80").status == 403


def test_a_device_that_nobody_knows_is_401(tmp_path: Path, service: Installation, owner: Owner) -> None:
    assert Wire(units.make(tmp_path, service, owner)).get().status == 401


def test_a_blocked_device_is_403_and_goes_on_where_it_was(wire: Wire) -> None:
    device = wire.unit.device
    (id,) = device.add(FINISHED)
    assert wire.unit.owner.post(f"{device.path}/block").status == 200
    assert wire.get().status == 403
    assert wire.post(cbor2.dumps([[f"{id}.0", 102]])).status == 403
    assert device.command(id)["status"] == "PENDING"
    assert wire.unit.owner.post(f"{device.path}/unblock").status == 200
    assert wire.get().status == 200


def stranger(modem: Modem) -> str:
    """Signed by another key for this device."""
    other = Modem.make()
    other.uuid = modem.uuid
    return other.jwt()


BAD: dict[str, Callable[[Modem], str]] = {
    "signed by another": stranger,
    "expired": lambda modem: modem.jwt(now=time.time() - 3600),
    "from the future": lambda modem: modem.jwt(now=time.time() + 3600),
    "valid for ever": lambda modem: modem.jwt(seconds=0),
    "cut off": lambda modem: modem.jwt()[:-4],
    "nonsense": lambda _: "nonsense",
    "a claim token, as old libraries sent it": lambda modem: f"att.{modem.attestation_token()}",
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is_no_good_is_401_in_words(wire: Wire, what: str) -> None:
    for answer in (
        wire.get(BAD[what](wire.unit.modem)),
        wire.post(b"\x80", token=BAD[what](wire.unit.modem)),
    ):
        assert answer.status == 401
        assert b'"message"' in answer.body


def test_who_asks_too_often_is_told_to_come_later_by_500(wire: Wire) -> None:
    statuses = [wire.get().status]
    while statuses[-1] == 204 and len(statuses) < 100:
        statuses.append(wire.get().status)
    assert len(statuses) > 10
    assert statuses[-1] == 500
    # It is the device that was too quick; nothing went wrong here.
    assert "Internal Server Error" not in wire.unit.service.said()


def test_a_buffer_that_is_none_is_400(wire: Wire) -> None:
    assert wire.get(target=GET.replace("rxMaxSize=2048", "rxMaxSize=-1")).status == 400
