"""Where nobody has a list of keys: the first token that a device signs in with is the one that counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import NotClaimed
from tests.nordic import programs, units
from tests.nordic.flows import ONBOARDING, PROGRAM
from tests.nordic.programs import KEY
from tests.nordic.units import Unit
from tests.standalone.fleet import FINISHED, preshared
from tests.standalone.installation import API_KEY, Installation
from tests.standalone.rest import Owner


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that needs no proof."""
    settings = {"KEYSEED_CLAIM_PROOF": "first-use"}
    with Installation(tmp_path_factory.mktemp("first-use") / "data", settings=settings) as running:
        yield running


@pytest.fixture
def stranger(tmp_path: Path, service: Installation) -> Unit:
    """A modem of which nothing was imported."""
    return units.make(tmp_path, service, Owner(service.http, API_KEY))


@pytest.mark.parametrize("over", ["http", "mqtt"])
def test_a_modem_out_of_the_box_is_claimed_learnt_and_onboarded(stranger: Unit, over: str) -> None:
    programs.run(stranger.service, stranger.state, PROGRAM, *KEY, *ONBOARDING).done()
    assert stranger.device.read()["ownershipStatus"] == "UNPROVEN"
    stranger.device.add(FINISHED)
    assert stranger.pull(over=over).finished
    assert stranger.device.status == "PROVISIONED"

    other = Modem.make()
    other.uuid = stranger.modem.uuid
    with pytest.raises(NotClaimed):
        Unit(stranger.state, other, stranger.service, stranger.owner).pull(over=over)


def test_a_device_that_nothing_proves_carries_no_secrets(stranger: Unit) -> None:
    stranger.claim()
    body = {"request": preshared()}
    stranger.owner.post(stranger.device.commands, body).refused(409, "CLAIM_UNPROVEN")
    stranger.device.add(FINISHED)
    assert stranger.pull().finished
    stranger.owner.post(stranger.device.commands, body).refused(409, "CLAIM_UNPROVEN")
