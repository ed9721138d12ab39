"""What must happen outside happens at least once, later again if it failed, and not twice at a time: law 10."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from commands import services
from devices import outbox as asked
from devices import services as device_services
from devices.models import OutboxRow
from devices.outbox import Kind
from provisioning import brokers, outbox
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, WHO

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "mosquitto")]

TROUBLE = "the broker's host does not answer"


@dataclass
class Recording:
    """A broker that tells what it was asked, and fails while there is `trouble`."""

    kicked: list[UUID] = field(default_factory=list)
    filled: int = 0
    trouble: Callable[[], None] = lambda: None

    def credentials_changed(self) -> None:
        self.trouble()
        self.filled += 1

    def kick(self, device_ids: Collection[UUID]) -> None:
        self.trouble()
        self.kicked += device_ids


@pytest.fixture
def broker() -> Iterator[Recording]:
    made = Recording()
    brokers.use(made)
    yield made
    brokers.use(None)


def fail() -> None:
    raise ConnectionError(TROUBLE)


def put(kind: Kind, count: int = 1, due: datetime | None = None) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    asked.put(kind, ids, timezone.now(), due)
    return ids


def row() -> OutboxRow:
    return OutboxRow.objects.get()


def an_hour_goes_by() -> None:
    OutboxRow.objects.update(due_at=timezone.now())


def test_a_blocked_device_loses_its_credentials_and_then_its_session(broker: Recording) -> None:
    order: list[str] = []
    device = cast.device(cast.owner(), CONFIG)
    services.block(device.tenant_id, device.id, WHO)
    broker.trouble = lambda: order.append(f"{broker.filled} {len(broker.kicked)}")
    outbox.carry_out()
    assert order == ["0 0", "1 0"]
    assert (broker.filled, broker.kicked) == (1, [device.id])
    assert not OutboxRow.objects.exists()


def test_a_deleted_device_loses_both_too(broker: Recording) -> None:
    device = cast.device(cast.owner(), CONFIG)
    device_services.delete(device.tenant_id, device.id)
    outbox.carry_out()
    assert (broker.filled, broker.kicked) == (1, [device.id])


def test_what_failed_waits_longer_every_time_and_says_why(broker: Recording) -> None:
    (device_id,) = put(Kind.KICK)
    broker.trouble = fail
    waits = []
    for tries in range(1, 20):
        an_hour_goes_by()
        outbox.carry_out()
        assert (row().tries, row().error) == (tries, TROUBLE)
        waits.append(round((row().due_at - timezone.now()).total_seconds()))
    assert waits[:6] == [1, 2, 4, 8, 16, 32]
    assert waits[-1] == 3_600
    broker.trouble = lambda: None
    an_hour_goes_by()
    outbox.carry_out()
    assert broker.kicked == [device_id]
    assert not OutboxRow.objects.exists()


def test_what_has_failed_for_years_holds_nothing_else_up(broker: Recording) -> None:
    put(Kind.CREDENTIALS)
    OutboxRow.objects.update(tries=30_000)
    (device_id,) = put(Kind.KICK)
    troubles = iter([fail])

    def first_only() -> None:
        for trouble in troubles:
            trouble()

    broker.trouble = first_only
    outbox.carry_out()
    assert broker.kicked == [device_id]
    assert row().tries == 30_001


def test_what_is_not_due_yet_waits(broker: Recording) -> None:
    put(Kind.KICK, due=timezone.now() + timedelta(seconds=60))
    outbox.carry_out()
    assert broker.kicked == []
    assert row().tries == 0


def test_two_carriers_do_nothing_twice(broker: Recording) -> None:
    """The second comes while the first is at it, and finds what the first left."""
    first = put(Kind.KICK, outbox.CLAIM)
    entered, leave = threading.Event(), threading.Event()
    main = threading.current_thread()

    def hesitate() -> None:
        if threading.current_thread() is not main:
            entered.set()
            assert leave.wait(10)

    broker.trouble = hesitate
    carrier = threading.Thread(target=_carry_out)
    carrier.start()
    assert entered.wait(10)
    second = put(Kind.KICK, 3)
    outbox.carry_out()
    assert sorted(broker.kicked) == sorted(second)
    leave.set()
    carrier.join()
    assert sorted(broker.kicked) == sorted(first + second)
    assert not OutboxRow.objects.exists()


def test_carriers_at_the_same_moment_share_the_rows(broker: Recording) -> None:
    ids = put(Kind.KICK, 3 * outbox.CLAIM)
    start = threading.Barrier(4)

    def carry() -> None:
        start.wait()
        _carry_out()

    carriers = [threading.Thread(target=carry) for _ in range(4)]
    for carrier in carriers:
        carrier.start()
    for carrier in carriers:
        carrier.join()
    assert sorted(broker.kicked) == sorted(ids)
    assert not OutboxRow.objects.exists()


def test_what_a_killed_carrier_had_in_hand_is_done_after_its_lease(broker: Recording) -> None:
    (device_id,) = put(Kind.KICK)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    broker.trouble = die
    with pytest.raises(Killed):
        outbox.carry_out()
    broker.trouble = lambda: None
    outbox.carry_out()
    assert broker.kicked == []
    assert row().due_at - timezone.now() > timedelta(seconds=30), "as long as a task may run"
    an_hour_goes_by()
    outbox.carry_out()
    assert broker.kicked == [device_id]


def test_a_rolled_back_change_asks_for_nothing(broker: Recording) -> None:
    device = cast.device(cast.owner(), CONFIG)
    OutboxRow.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_timelineentry ADD CONSTRAINT refuse CHECK (false) NOT VALID")
    try:
        with pytest.raises(Exception, match="refuse"):
            services.block(device.tenant_id, device.id, WHO)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE devices_timelineentry DROP CONSTRAINT refuse")
    outbox.carry_out()
    assert not device.row.blocked
    assert (broker.filled, broker.kicked) == (0, [])


def _carry_out() -> None:
    try:
        outbox.carry_out()
    finally:
        connection.close()
