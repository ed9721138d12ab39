"""A certificate opens the connection past the plugin, so it is the device's role that makes it worth something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from commands import services
from devices import credentials
from devices import services as device_services
from provisioning import brokers, outbox
from provisioning.dynsec.broker import Dynsec
from tests.mosquitto.certified import TLS, Certified, certify, save, save_key
from tests.mosquitto.conftest import Owned
from tests.mosquitto.dynsec.conftest import DynsecInstallation
from tests.pipeline import cast
from tests.pki.make import issue
from tests.servers.dynsec import DynsecMosquitto
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

LISTENER = f"""\
listener {TLS}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
cafile device_ca.pem
certfile fullchain.pem
keyfile privkey.pem
"""


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory,
    redis: Redis,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[DynsecInstallation]:
    folder, now = tmp_path_factory.mktemp("dynsec"), timezone.now()
    server = issue("localhost", ca=True, begin=now - timedelta(days=1), end=now + timedelta(days=1))
    save(folder / "fullchain.pem", server.certificate)
    save(folder / "device_ca.pem", server.certificate)
    save_key(folder / "privkey.pem", server.key)
    broker = DynsecMosquitto(folder, LISTENER)
    found = DynsecInstallation(broker)
    with django_db_blocker.unblock():
        found.write()
    with broker:
        yield found


@pytest.fixture
def device(installation: DynsecInstallation, tmp_path: Path) -> Iterator[Certified]:
    """It has a certificate and no password; this process tells the plugin."""
    made = Dynsec(installation.admin_url)
    brokers.use(made)
    owned = Owned(installation.port, cast.device(cast.owner(), cast.CONFIG), "")
    yield certify(owned, installation, tmp_path / "device")
    brokers.use(None)
    made._control.close()


@pytest.fixture(params=["told", "in the file"])
def known(request: pytest.FixtureRequest, installation: DynsecInstallation, device: Certified) -> Certified:
    """The broker trusts the device CA and has heard of the device, in the one way or the other."""
    call_command("mosquitto_files", str(installation.broker.folder), verbosity=0)
    if request.param == "told":
        installation.broker.restart()
    else:
        installation.fill()
    outbox.carry_out()
    return device


def heard(installation: DynsecInstallation, device: Certified) -> bool:
    """Whether what it says arrives."""
    topic, last = device.owned.topic("json/get"), device.owned.topic("json/accepted")
    with installation.gateway("prov/v1/#") as service:
        session = device.session()
        if session.open():
            session.publish(topic, qos=0)
        session.close()
        service.publish(last)
        assert service.hears(last)
        return topic in service.topics()


def block(device: Certified) -> None:
    services.block(device.owned.device.tenant_id, device.owned.device.id, cast.WHO)


def unclaim(device: Certified) -> None:
    device_services.delete(device.owned.device.tenant_id, device.owned.device.id)


def take_back(device: Certified) -> None:
    owned = device.owned.device
    assert device.credential
    with transaction.atomic():
        credentials.revoke(owned.tenant_id, owned.id, device.credential, cast.WHO)


@pytest.mark.parametrize("does", [block, unclaim, take_back])
def test_a_live_session_ends_and_coming_back_is_worth_nothing(
    installation: DynsecInstallation, known: Certified, does: object
) -> None:
    assert heard(installation, known)
    with known.signed_in() as session:
        does(known)  # type: ignore[operator]
        outbox.carry_out()
        assert session.ended(2)
    assert not heard(installation, known)


def test_an_unblocked_device_is_heard_again(installation: DynsecInstallation, known: Certified) -> None:
    block(known)
    outbox.carry_out()
    assert not heard(installation, known)
    services.unblock(known.owned.device.tenant_id, known.owned.device.id, cast.WHO)
    outbox.carry_out()
    assert heard(installation, known)
