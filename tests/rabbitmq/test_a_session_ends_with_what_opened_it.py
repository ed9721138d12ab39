"""A session ends within two seconds of what its owner does, and nobody comes back who may not: API.md "Devices"."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.utils import timezone

from commands import services
from devices.models import OutboxRow
from tests.mosquitto.ways_out import block, delete, renew, revoke
from tests.pipeline.cast import WHO
from tests.rabbitmq.conftest import Owned

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 2.0


@pytest.mark.parametrize("does", [block, delete, revoke, renew])
def test_the_session_ends_and_does_not_come_back(
    healthy: Owned, neighbour: Owned, does: Callable[[Owned], None]
) -> None:
    with healthy.signed_in() as session, neighbour.signed_in() as other:
        with healthy.signed_in(client_id=f"{healthy.id}-2") as second:
            does(healthy)
            assert session.ended(SECONDS)
            assert second.ended(SECONDS)
        assert not healthy.let_in()
        time.sleep(0.2)
        assert other.alive
    assert neighbour.let_in()


def test_a_token_opens_nothing_once_its_key_is_revoked(healthy: Owned) -> None:
    with_token = healthy.with_token()
    with with_token.signed_in() as session:
        revoke(with_token)
        assert session.ended(SECONDS)
        assert not with_token.let_in()
    assert healthy.let_in()


def test_an_unblocked_device_gets_in_again(healthy: Owned) -> None:
    block(healthy)
    assert not healthy.let_in()
    services.unblock(healthy.device.tenant_id, healthy.device.id, WHO)
    assert healthy.let_in()


def test_a_session_ends_with_its_token(healthy: Owned, neighbour: Owned) -> None:
    """WIRE.md 9.2."""
    with_token = healthy.with_token(seconds=3)
    with with_token.signed_in() as session, neighbour.signed_in() as other:
        assert not session.ended(0.5)
        assert session.ended(5)
        assert other.alive
    assert not with_token.let_in()


def test_the_end_of_a_token_is_noted_once_however_often_a_device_comes(healthy: Owned) -> None:
    with_token = healthy.with_token()
    for _ in range(3):
        assert with_token.let_in()
    (row,) = OutboxRow.objects.filter(device_id=healthy.device.id, due_at__gt=timezone.now())
    assert (row.due_at - timezone.now()).total_seconds() > 200
    OutboxRow.objects.all().delete()
