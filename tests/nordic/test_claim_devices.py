"""`claim_devices` as it comes from PyPI: a file of tokens, its counts, and the older way by plain requests."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.nordic import programs, units
from tests.nordic.programs import KEY, Ran
from tests.nordic.units import CLAIMED, Unit
from tests.standalone import material
from tests.standalone.installation import Installation
from tests.standalone.rest import Owner

Claim = Callable[..., Ran]


@pytest.fixture
def fleet(tmp_path: Path, service: Installation, owner: Owner) -> list[Unit]:
    """25 modems whose keys are known."""
    made = [units.make(tmp_path, service, owner) for _ in range(25)]
    units.introduce(owner, made)
    return made


@pytest.fixture
def claim(tmp_path: Path, service: Installation) -> Claim:
    """Runs the program on these tokens, in the file that `gather_attestation_tokens` writes."""

    def act(rows: Iterable[tuple[Unit, str]], *arguments: str) -> Ran:
        file = tmp_path / "attestation_tokens.csv"
        when = "2026-11-21T12:00:00.000000+00:00"
        text = (f"{unit.modem.imei},{unit.modem.id},{token},{when}\n" for unit, token in rows)
        file.write_text("".join(text))
        return programs.run(service, tmp_path, "claim_devices", *KEY, "--csv", str(file), *arguments)

    return act


def tokens(fleet: Sequence[Unit]) -> list[tuple[Unit, str]]:
    return [(unit, unit.modem.attestation_token()) for unit in fleet]


def tags(unit: Unit) -> list[str]:
    found: list[str] = unit.device.read()["tags"]
    return found


def test_a_file_of_devices_is_claimed(fleet: list[Unit], claim: Claim) -> None:
    said = claim(tokens(fleet)).done()
    assert "--> Accepted; claimed 25:" in said
    assert "Done. 25 of 25 devices claimed." in said
    for unit in fleet:
        assert unit.modem.id in said
        assert tags(unit) == []
        assert unit.device.status == "READY"


def test_two_tags_in_one_text_are_two_and_what_cannot_be_claimed_stops_nothing(
    fleet: list[Unit], claim: Claim
) -> None:
    already, new = fleet[:3], fleet[3:]
    for unit in already:
        unit.claim("before")
    rows = tokens(fleet)
    for number, token in ((7, "nonsense"), (11, rows[11][1][:-40])):
        rows[number] = (rows[number][0], token)
    said = claim(rows, "--provisioning-tags", "a,b").done()
    assert "--> Accepted; claimed 20:" in said
    assert "Done. 20 of 25 devices claimed." in said
    assert [tags(unit) for unit in already] == [["before"]] * 3
    missed = [unit for unit in new if unit.owner.get(unit.device.path).status == 404]
    assert missed == [fleet[7], fleet[11]]
    assert [tags(unit) for unit in new if unit not in missed] == [["a", "b"]] * 20


def test_where_nothing_is_claimed_every_row_has_its_reason(fleet: list[Unit], claim: Claim) -> None:
    few = fleet[:4]
    for unit in few:
        unit.claim()
    ended = claim(tokens(few))
    assert ended.status == 0  # the program knows no other
    assert "--> Error 409 on 4 rows:" in ended.said
    assert "Done. 0 of 4 devices claimed." in ended.said
    for unit in few:
        assert f"Device {unit.modem.id} is yours already." in ended.said


def test_a_device_of_which_no_key_is_known_is_not_claimed(
    tmp_path: Path, service: Installation, owner: Owner, fleet: list[Unit], claim: Claim
) -> None:
    stranger = units.make(tmp_path, service, owner)
    assert "Done. 1 of 2 devices claimed." in claim(tokens([stranger, fleet[0]])).said
    assert owner.get(stranger.device.path).status == 404


def bulk(owner: Owner, path: str, text: str, kind: str = "text/csv") -> Any:
    """What became of a body of CSV that is answered with an id."""
    accepted = owner.send("POST", path, text.encode(), {"Content-Type": kind})
    assert accepted.status == 202, accepted.content
    return owner.get(f"/v1/bulk-ops-requests/{accepted.body['bulkOpsRequestId']}").made()


def test_the_older_way_is_asked_for_by_its_id(fleet: list[Unit], owner: Owner) -> None:
    rows = "".join(f'"{token}","a,b"\n' for _, token in tokens(fleet)) + '"nonsense"\n'
    told = bulk(owner, f"{CLAIMED}/bulk", rows)
    assert (told["status"], told["endpoint"]) == ("SUCCEEDED", "CLAIM_DEVICES")
    assert told["claimedIds"] == [unit.modem.id for unit in fleet]
    assert [one["row"] for one in told["failed"]] == [26]
    assert [tags(unit) for unit in fleet] == [["a", "b"]] * 25


@pytest.mark.parametrize("name", ["an IMEI", "pump-1"])
def test_a_certificate_for_a_device_by_a_name_that_nobody_gave_is_refused_by_its_row(
    claimed: Unit, owner: Owner, name: str
) -> None:
    """What `--id-imei` and `--id-str` lead to: no token has an IMEI, and a claim gives no name."""
    called = claimed.modem.imei if name == "an IMEI" else name
    row = f'{called},,,APP|MODEM,"{material.leaf_pem()}"\n'
    told = bulk(owner, "/v1/devices", row, "text/plain")
    assert told["status"] == "FAILED"
    assert [error.partition(" whose ")[0] for error in told["errors"]] == ["[0]: You have no device"]
