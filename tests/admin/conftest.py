"""What the admin's tests share."""

import warnings
from collections.abc import Iterator

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.admin import people
from tests.admin.people import Operator
from tests.servers import ports


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    """pytest-django's, on 127.0.0.1; what whitenoise says of a missing folder is not our matter."""
    with warnings.catch_warnings(action="ignore"):
        server = LiveServer(ports.HOST)
    yield server
    server.stop()


@pytest.fixture
def anna(db: None) -> Operator:
    """An operator who may do everything."""
    return people.operator()


@pytest.fixture
def guest(db: None) -> Operator:
    """An operator who may only look."""
    looks = ("device", "credential", "timelineentry", "outboxrow")
    return people.operator("guest", *(f"devices.view_{model}" for model in looks), "commands.view_command")
