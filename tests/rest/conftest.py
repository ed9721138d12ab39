"""What REST tests share."""

import pytest

from tests.rest.cast import Board, Cast, assemble


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
