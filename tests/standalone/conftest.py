"""One `standalone` for all of these tests; those that stop or kill one start their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standalone.board import Board
from tests.standalone.fleet import Device, define
from tests.standalone.installation import API_KEY, Installation, manage, settings_of
from tests.standalone.rest import Owner


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation; strangers ask more of it in a minute here than the limit lets them."""
    settings = {"KEYSEED_STRANGER_RATE": "0", "KEYSEED_KEY_RATE": "0"}
    with Installation(tmp_path_factory.mktemp("standalone") / "data", settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def owner(service: Installation) -> Owner:
    """The owner of tenant `default`."""
    return Owner(service.http, API_KEY)


@pytest.fixture(scope="session")
def stranger(service: Installation) -> Owner:
    """The owner of tenant `other`, made as an operator makes one beside a running standalone."""
    key = "another-key-for-these-tests-of-another-tenant"
    made = manage("bootstrap", "--tenant", "other", "--api-key", key, settings=settings_of(service))
    assert made.returncode == 0, made.stderr
    return Owner(service.http, key)


@pytest.fixture
def new_device(service: Installation, owner: Owner) -> Callable[..., Device]:
    """Defines a device with a password; arguments are its fields."""

    def make(**fields: Any) -> Device:
        return define(owner, service.mqtt, **fields)

    return make


@pytest.fixture
def device(new_device: Callable[..., Device]) -> Device:
    """A device with a password and nothing to do."""
    return new_device()


@pytest.fixture
def board(device: Device) -> Iterator[Board]:
    """The connection of `device` itself."""
    with device.board() as connected:
        yield connected
