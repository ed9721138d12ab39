"""What the programs print of our refusals: a reason that somebody can act on."""

from pathlib import Path

from tests.nordic import programs, units
from tests.nordic.flows import ONBOARDING, PROGRAM
from tests.nordic.programs import KEY, Ran
from tests.nordic.units import Unit
from tests.standalone.installation import Installation
from tests.standalone.rest import Owner

TAGGED = ("--provisioning-tags", "a,b")


def claim(unit: Unit, *arguments: str, key: tuple[str, ...] = KEY) -> Ran:
    return programs.run(unit.service, unit.state, PROGRAM, *key, *(arguments or TAGGED))


def test_an_unknown_device_is_unclaimed_without_harm(unit: Unit) -> None:
    said = claim(unit, "--unclaim", *TAGGED).done()
    assert "Unclaim device response: 404 - Not Found" in said
    assert "Claim device response: 201 - Created" in said
    assert unit.device.read()["tags"] == ["a", "b"]


def test_a_device_of_ones_own_is_not_claimed_twice(claimed: Unit) -> None:
    ended = claim(claimed)
    assert ended.status == 1
    assert f"Cannot claim device: Device {claimed.modem.id} is yours already." in ended.said
    assert claimed.device.read()["tags"] == []


def test_a_device_of_which_no_key_is_known_says_how_to_import_it(
    tmp_path: Path, service: Installation, owner: Owner
) -> None:
    ended = claim(units.make(tmp_path, service, owner))
    assert ended.status == 1
    assert "Cannot claim device: No identity key is known for device" in ended.said
    assert "manage.py identity_keys import" in ended.said


def test_a_wrong_key_is_told_and_claims_nothing(unit: Unit) -> None:
    ended = claim(unit, key=("--api-key", "wrong"))
    assert ended.status == 1
    assert "Cannot claim device: " in ended.said
    assert "API key" in ended.said
    ruled = claim(unit, *ONBOARDING, key=("--api-key", "wrong"))
    assert ruled.status == 1
    assert "Failed to list existing provisioning rules" in ruled.said
    assert unit.owner.get(unit.device.path).status == 404
