"""Every change reaches the dynamic security plugin within two seconds, also where a session is open."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from devices.models import OutboxRow
from tests.mosquitto.conftest import Installation, Owned
from tests.mosquitto.test_who_may_sign_in_follows_the_database import (
    let_in,
    test_a_change_of_one_leaves_the_other_sessions_alone,
    test_a_device_that_is_made_now_gets_in_now,
    test_a_new_password_opens_at_once,
    test_an_unblocked_device_gets_in_again,
    test_mosquitto_knows_one_password_a_device_the_newest,
    test_the_session_ends_and_does_not_come_back,
)
from tests.mosquitto.ways_out import block, revoke
from tests.pipeline.running import Running

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = [
    "test_a_change_of_one_leaves_the_other_sessions_alone",
    "test_a_device_that_is_made_now_gets_in_now",
    "test_a_new_password_opens_at_once",
    "test_an_unblocked_device_gets_in_again",
    "test_mosquitto_knows_one_password_a_device_the_newest",
    "test_the_session_ends_and_does_not_come_back",
]


@pytest.fixture(autouse=True)
def filled(jobs: Running, healthy: Owned, neighbour: Owned) -> None:
    """They got in without any file being written."""
    assert let_in(healthy, 10)
    assert let_in(neighbour, 10)


def test_a_password_that_was_made_while_it_was_blocked_opens_afterwards(healthy: Owned) -> None:
    block(healthy)
    new = healthy.renewed()
    time.sleep(0.5)
    assert not let_in(new, 0.5)
    from commands import services
    from tests.pipeline.cast import WHO

    services.unblock(new.device.tenant_id, new.device.id, WHO)
    assert let_in(new)


def test_the_password_before_the_newest_does_not_open_again(healthy: Owned) -> None:
    """Its hash is all that is known, and the plugin takes none: the device stays out, which is said."""
    new = healthy.renewed(overlap=3_600)
    assert let_in(new)
    revoke(new)
    time.sleep(0.5)
    assert not let_in(new, 0.5)
    assert not let_in(healthy, 0.5)


def test_nothing_keeps_the_password_where_somebody_could_read_it(
    new: Callable[[], Owned], installation: Installation, jobs: Running
) -> None:
    owned = new()
    assert let_in(owned)
    assert _empty(), "the sealed password goes with its row"
    said = [file.read_bytes() for file in installation.broker.folder.iterdir()]
    assert not any(owned.password.encode() in one for one in said)
    assert owned.password not in jobs.text


def _empty() -> bool:
    end = time.monotonic() + 5
    while OutboxRow.objects.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
