"""What REST tests share."""

import pytest
from pytest_django.fixtures import Settings

from tests.rest.cast import Board, Cast, assemble


@pytest.fixture(autouse=True)
def unhurried(settings: Settings) -> None:
    """These tests ask more in a minute than people do; those of the limits set their own."""
    settings.KEYSEED_KEY_RATE = settings.KEYSEED_STRANGER_RATE = 0


@pytest.fixture
def cast(db: None) -> Cast:
    """Four keys of one tenant, and a stranger."""
    return assemble()


@pytest.fixture
def device(cast: Cast) -> str:
    """A device of our tenant; its id."""
    return cast.owner.device(name="pump 17", serialNumber="SN-17", tags=["north", "pumps"])


@pytest.fixture
def board(device: str) -> Board:
    """That device itself."""
    return Board(device)
