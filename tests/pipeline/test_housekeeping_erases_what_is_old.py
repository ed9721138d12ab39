"""What has been kept long enough goes, and nothing else: API.md "timeline", WIRE.md, DESIGN.md "Command states"."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from celery import current_app
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from commands import services
from commands.models import Command
from devices import credentials, journal
from devices.models import BulkRequest, Credential, OutboxRow, TimelineEntry
from devices.models import Device as DeviceModel
from devices.timeline import DAYS, ENTRIES, Entry, Kind
from provisioning import conversation, housekeeping
from provisioning.models import Redelivery
from tenants.models import IdempotentAnswer, Tenant
from tests.admission import admit
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, SHARED_KEY, WHO, Device

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def device() -> Device:
    made = cast.device(cast.owner(), CONFIG)
    TimelineEntry.objects.all().delete()
    OutboxRow.objects.all().delete()
    return made


def happened(device: Device, *ages: timedelta) -> None:
    now = timezone.now()
    journal.record(
        Entry(device.id, now - age, Kind.CHANGED, {"number": number})
        for number, age in enumerate(ages, start=1)
    )


def kept(device: Device) -> list[int]:
    return [data["number"] for data in device.timeline("changed")]


# ---- timelines


def test_a_timeline_is_kept_for_ninety_days(device: Device) -> None:
    happened(device, 200 * DAY, DAYS * DAY + HOUR, DAYS * DAY - HOUR, DAY)
    housekeeping.run()
    assert kept(device) == [3, 4]


def test_more_than_a_statement_erases_are_erased(device: Device) -> None:
    happened(device, *[100 * DAY] * (2 * housekeeping.CHUNK + 7), HOUR)
    housekeeping.run()
    assert kept(device) == [2 * housekeeping.CHUNK + 8]


def test_a_device_keeps_its_newest_thousand_entries(device: Device) -> None:
    other = cast.device(cast.owner())
    TimelineEntry.objects.all().delete()
    happened(device, *[HOUR] * (ENTRIES + 5))
    happened(other, *[HOUR] * ENTRIES)
    housekeeping.run()
    assert kept(device) == list(range(6, ENTRIES + 6))
    assert kept(other) == list(range(1, ENTRIES + 1))


# ---- credentials


def expiring(device: Device, end: datetime | None) -> UUID:
    return Credential.objects.create(
        device_id=device.id, kind="password", digest="$7$x", created_at=timezone.now(), expires_at=end
    ).id


def test_an_expired_credential_is_erased_and_the_brokers_hear_of_it(device: Device) -> None:
    now = timezone.now()
    expiring(device, now - timedelta(seconds=1))
    stays = {expiring(device, now + HOUR), expiring(device, None)}
    housekeeping.run()
    assert set(Credential.objects.values_list("id", flat=True)) == stays
    assert list(OutboxRow.objects.values_list("kind", flat=True)) == ["credentials"]


def test_where_nothing_expired_no_broker_is_bothered(device: Device) -> None:
    expiring(device, timezone.now() + HOUR)
    housekeeping.run()
    assert not OutboxRow.objects.exists()


def test_an_expired_credential_opens_nothing_before_it_is_erased(device: Device) -> None:
    with transaction.atomic():
        made = credentials.add_password(device.tenant_id, device.id, 0, WHO)
    assert made.secret
    assert admit(str(device.id), made.secret)
    Credential.objects.update(expires_at=timezone.now())
    assert not admit(str(device.id), made.secret)
    assert credentials.valid_passwords() == {}


# ---- what was kept for repeats


def test_answers_to_idempotent_requests_are_kept_for_a_day() -> None:
    tenant = cast.owner()
    answered(tenant, "old", 25 * HOUR)
    answered(tenant, "new", 23 * HOUR)
    housekeeping.run()
    assert list(IdempotentAnswer.objects.values_list("key", flat=True)) == ["new"]


def answered(tenant: Tenant, key: str, ago: timedelta) -> None:
    at = timezone.now() - ago
    IdempotentAnswer.objects.create(
        tenant=tenant, route="r", key=key, body_mac="m", status=201, made={}, created_at=at
    )


def test_results_of_bulk_requests_are_kept_for_30_days() -> None:
    tenant, now = cast.owner(), timezone.now()
    for endpoint, ago in (("old", 30 * DAY + HOUR), ("new", 30 * DAY - HOUR)):
        BulkRequest.objects.create(
            tenant=tenant,
            endpoint=endpoint,
            status="SUCCEEDED",
            result={},
            requested_at=now - ago,
            completed_at=now - ago,
        )
    housekeeping.run()
    assert list(BulkRequest.objects.values_list("endpoint", flat=True)) == ["new"]


def test_counts_of_redelivered_batches_are_kept_for_a_day() -> None:
    old, new = uuid4(), uuid4()
    for batch_id, ago in ((old, 25 * HOUR), (new, HOUR)):
        Redelivery.objects.create(batch_id=batch_id)
        Redelivery.objects.filter(batch_id=batch_id).update(at=timezone.now() - ago)
    housekeeping.run()
    assert list(Redelivery.objects.values_list("batch_id", flat=True)) == [new]


# ---- secrets (test_secrets_live_as_long_as_they_are_needed.py has the days)


@pytest.fixture
def failed() -> Device:
    """Its secret is old enough to be erased."""
    device = cast.device(cast.owner(), SHARED_KEY)
    (said,) = cast.heard(conversation.converse([device.get()]))
    conversation.converse([device.results({said.commands[0]: 5})])
    Command.objects.update(closed_at=timezone.now() - 31 * DAY)
    return device


def in_a_thread(what: Callable[[], None]) -> threading.Thread:
    def act() -> None:
        try:
            what()
        finally:
            connection.close()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_reset_that_is_under_way_keeps_the_secret_that_it_needs(failed: Device) -> None:
    """A secret that is erased between a reset's look and its commit would leave a command that nobody can serve."""
    with transaction.atomic():
        services.reset(failed.tenant_id, failed.id, Command.objects.get().id, WHO)
        tidying = in_a_thread(housekeeping.run)
        tidying.join(0.5)
        assert tidying.is_alive()
    tidying.join()
    (said,) = cast.heard(conversation.converse([failed.get()]))
    assert said.body["commands"][0]["params"]["secret"] == cast.PSK


@pytest.mark.parametrize("fixture", ["failed", "device"])
def test_it_holds_the_rows_of_the_devices_that_it_changes(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    device: Device = request.getfixturevalue(fixture)
    expiring(device, timezone.now() - HOUR)
    with transaction.atomic():
        list(DeviceModel.objects.select_for_update().filter(id=device.id))
        troubles: list[str] = []

        def tidy() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '50ms'")
            try:
                housekeeping.run()
            except OperationalError as error:
                troubles.append(str(error))

        in_a_thread(tidy).join()
    assert "lock timeout" in troubles[0]
    assert Credential.objects.filter(device_id=device.id).exists()


def test_once_more_changes_nothing(failed: Device) -> None:
    happened(failed, 100 * DAY, DAY)
    housekeeping.run()
    before = list(TimelineEntry.objects.values_list("id"))
    OutboxRow.objects.all().delete()
    housekeeping.run()
    assert list(TimelineEntry.objects.values_list("id")) == before
    assert not OutboxRow.objects.exists()


def test_the_clock_knows_every_task() -> None:
    schedule = {entry["task"]: entry["schedule"] for entry in current_app.conf.beat_schedule.values()}
    assert schedule == {
        "provisioning.housekeeping": 3600.0,
        "provisioning.outbox": 10.0,
        "provisioning.seal_audit": 10.0,
        "provisioning.webhooks": 10.0,
    }
    current_app.loader.import_default_modules()
    assert schedule.keys() <= current_app.tasks.keys()
