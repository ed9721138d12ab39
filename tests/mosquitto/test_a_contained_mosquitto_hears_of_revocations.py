"""Where only docker/mosquitto.sh tells Mosquitto, half a second later, a revoked device does not slip in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from devices import credentials
from devices.models import OutboxRow
from provisioning import outbox
from tests.contained import ContainedMosquitto
from tests.mosquitto.certified import SECONDS, Certified, certify, eventually, opened, prepare
from tests.mosquitto.conftest import PASSWORD, Installation, Owned
from tests.pipeline.cast import WHO
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("contained")
    prepare(folder)
    with ContainedMosquitto(folder, opened(), users={"gateway": PASSWORD}, acl="") as broker:
        yield Installation(broker)


@pytest.fixture
def device(healthy: Owned, installation: Installation, settings: Settings, tmp_path: Path) -> Certified:
    settings.KEYSEED_MOSQUITTO_DIR = str(installation.broker.folder)
    made = certify(healthy, installation, tmp_path / "device")
    outbox.carry_out()
    assert made.let_in()
    return made


def test_its_session_ends_once_mosquitto_has_the_list(device: Certified) -> None:
    with device.signed_in() as session:
        began = time.monotonic()
        assert device.credential
        with transaction.atomic():
            credentials.revoke(device.owned.device.tenant_id, device.owned.device.id, device.credential, WHO)
        outbox.carry_out()
        assert session.ended(SECONDS)
        assert time.monotonic() - began < SECONDS
        assert device.refused(), "also at once"
    assert not OutboxRow.objects.exists()


def test_a_kick_waits_until_the_files_are_written(device: Certified, settings: Settings) -> None:
    folder, settings.KEYSEED_MOSQUITTO_DIR = settings.KEYSEED_MOSQUITTO_DIR, "/dev/null/nowhere"
    with device.signed_in() as session:
        assert device.credential
        with transaction.atomic():
            credentials.revoke(device.owned.device.tenant_id, device.owned.device.id, device.credential, WHO)
        outbox.carry_out()
        assert {row.tries for row in OutboxRow.objects.all()} == {1}
        assert session.alive
        settings.KEYSEED_MOSQUITTO_DIR = folder

        def carried_out() -> bool:
            outbox.carry_out()
            return not OutboxRow.objects.exists()

        assert eventually(carried_out)
        assert session.ended(SECONDS)
    assert device.refused()
