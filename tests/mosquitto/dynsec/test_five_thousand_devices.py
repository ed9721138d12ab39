"""The most devices that the dynamic security plugin is for: they sign in, and one change stays quick.

python -m pytest tests/mosquitto/dynsec/test_five_thousand_devices.py -s
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from commands import services
from devices import passwords
from devices.models import Credential
from provisioning import brokers, checks, outbox
from provisioning.dynsec import records
from provisioning.dynsec.broker import Dynsec
from tests.mosquitto.clients import refused
from tests.mosquitto.conftest import Owned
from tests.mosquitto.dynsec.conftest import DynsecInstallation
from tests.pipeline import cast

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "one-for-all-of-this-test"


@pytest.fixture
def fleet(installation: DynsecInstallation) -> list[Owned]:
    devices = cast.fleet(cast.owner(), records.DEVICES_MOST)
    digest, now = passwords.digest(SECRET), timezone.now()
    Credential.objects.bulk_create(
        Credential(device_id=one.id, kind=Credential.Kind.PASSWORD, digest=digest, created_at=now)
        for one in devices
    )
    installation.fill()
    return [Owned(installation.port, one, SECRET) for one in devices]


@pytest.fixture
def told(installation: DynsecInstallation) -> Iterator[Dynsec]:
    made = Dynsec(installation.admin_url)
    brokers.use(made)
    yield made
    brokers.use(None)
    made._control.close()


def timed(what: str, does: Callable[[], object]) -> float:
    """Seconds; shown with `-s`."""
    begin = time.perf_counter()
    does()
    seconds = time.perf_counter() - begin
    print(f"{what}: {seconds:.2f} s")
    return seconds


def test_five_thousand_devices(installation: DynsecInstallation, fleet: list[Owned], told: Dynsec) -> None:
    first, second, third = fleet[0], fleet[2_500], fleet[-1]
    assert not any(refused(one.port, one.id, SECRET) for one in (first, second, third))
    assert timed("comparing all", told.credentials_changed) < 12
    kick = {"command": "modifyClient", "username": first.id}
    assert timed("one write of the file", lambda: told._control.do([kick])) < 1
    with second.signed_in() as session, third.signed_in() as other:
        services.block(second.device.tenant_id, second.device.id, cast.WHO)
        assert timed("a block", outbox.carry_out) < 2
        assert session.ended(2)
        assert other.alive
    assert refused(second.port, second.id, SECRET)
    services.unblock(second.device.tenant_id, second.device.id, cast.WHO)
    assert timed("an unblock", outbox.carry_out) < 2
    assert not refused(second.port, second.id, SECRET)
    new = first.renewed()
    assert timed("a new password", outbox.carry_out) < 2
    assert not refused(new.port, new.id, new.password)
    assert refused(new.port, new.id, SECRET)
    print(f"the plugin's file: {installation.broker.file.stat().st_size / 1e6:.1f} MB")
    assert checks.dynsec() == []

    one_more = installation.device()
    assert timed("a device more", outbox.carry_out) < 2
    assert not refused(one_more.port, one_more.id, one_more.password)
    assert [message.id for message in checks.dynsec()] == ["keyseed.W006"]
    with pytest.raises(CommandError, match="too many"):
        call_command("dynsec_file", str(installation.broker.file), replace=True)
