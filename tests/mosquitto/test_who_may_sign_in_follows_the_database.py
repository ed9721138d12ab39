"""A session ends within two seconds of what its owner does, and nobody comes back who may not: API.md "Devices"."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from commands import services
from tests.admission import admit
from tests.mosquitto.clients import Session, refused
from tests.mosquitto.conftest import Installation, Owned
from tests.mosquitto.ways_out import block, delete, renew, revoke
from tests.pipeline.cast import WHO
from tests.pipeline.running import Running

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 2.0


@pytest.fixture(autouse=True)
def filled(jobs: Running, installation: Installation, healthy: Owned, neighbour: Owned) -> None:
    installation.fill()


def let_in(owned: Owned, seconds: float = SECONDS) -> bool:
    """Whether it gets in in time, as it tries again and again."""
    end = time.monotonic() + seconds
    while refused(owned.port, owned.id, owned.password):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("does", [block, delete, revoke, renew])
def test_the_session_ends_and_does_not_come_back(
    healthy: Owned, neighbour: Owned, does: Callable[[Owned], None]
) -> None:
    with healthy.signed_in() as session, neighbour.signed_in() as other:
        does(healthy)
        assert session.ended(SECONDS)
        assert refused(healthy.port, healthy.id, healthy.password)
        time.sleep(0.2)
        assert other.alive
    assert let_in(neighbour)


def test_an_unblocked_device_gets_in_again(healthy: Owned) -> None:
    block(healthy)
    assert _out(healthy)
    services.unblock(healthy.device.tenant_id, healthy.device.id, WHO)
    assert let_in(healthy)


def test_a_new_password_opens_at_once(healthy: Owned) -> None:
    new = healthy.renewed()
    assert let_in(new)
    assert refused(healthy.port, healthy.id, healthy.password)


def test_a_device_that_is_made_now_gets_in_now(new: Callable[[], Owned]) -> None:
    assert let_in(new())


def test_mosquitto_knows_one_password_a_device_the_newest(healthy: Owned) -> None:
    """Its password_file has no room for two: an overlap does not reach as far as here."""
    new = healthy.renewed(overlap=3_600)
    assert let_in(new)
    assert refused(healthy.port, healthy.id, healthy.password)
    assert admit(healthy.id, healthy.password), "elsewhere it does"


def test_an_overlap_that_is_over_is_over_here_too(healthy: Owned) -> None:
    """The newest is revoked, the one before it lives on, and then its time is up."""
    healthy.renewed(overlap=2)
    revoke(healthy)
    assert let_in(healthy)
    with healthy.signed_in() as session:
        assert session.ended(5)
    assert refused(healthy.port, healthy.id, healthy.password)


def test_a_change_of_one_leaves_the_other_sessions_alone(
    new: Callable[[], Owned], installation: Installation
) -> None:
    fleet = [new() for _ in range(20)]
    installation.fill()
    sessions = [Session(one.port, one.id, one.password) for one in fleet]
    for session in sessions:
        assert session.open()
    block(fleet[0])
    assert sessions[0].ended(SECONDS)
    time.sleep(0.3)
    assert all(session.alive for session in sessions[1:])
    for session in sessions:
        session.close()


def _out(owned: Owned) -> bool:
    end = time.monotonic() + SECONDS
    while not refused(owned.port, owned.id, owned.password):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
