"""One `standalone` as it comes, for one tenant, and modems whose identity keys are imported there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.nordic import flows, units
from tests.nordic.flows import Flows
from tests.nordic.units import Unit
from tests.standalone.installation import API_KEY, Installation
from tests.standalone.rest import Owner


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation, where a claim needs proof."""
    with Installation(tmp_path_factory.mktemp("nordic") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def owner(service: Installation) -> Owner:
    """The only tenant's owner."""
    return Owner(service.http, API_KEY)


@pytest.fixture
def new_unit(tmp_path: Path, service: Installation, owner: Owner) -> Callable[..., Unit]:
    """Makes a modem whose key is known; options are `Modem.make`'s."""

    def make(**options: Any) -> Unit:
        unit = units.make(tmp_path, service, owner, **options)
        units.introduce(owner, [unit])
        return unit

    return make


@pytest.fixture
def unit(new_unit: Callable[..., Unit]) -> Unit:
    """A modem that nobody has claimed."""
    return new_unit()


@pytest.fixture
def claimed(unit: Unit) -> Unit:
    """A modem that is claimed."""
    unit.claim()
    return unit


@pytest.fixture(scope="session")
def ran(service: Installation, owner: Owner, tmp_path_factory: pytest.TempPathFactory) -> Flows:
    """The flows that take long, once and all at once."""
    return flows.run(tmp_path_factory.mktemp("flows"), service, owner)
