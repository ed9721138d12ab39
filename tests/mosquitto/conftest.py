"""Mosquitto with the shipped configuration, filled by the product, and the worker that keeps it so."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings
from pytest_django.fixtures import Settings

from devices import credentials
from tests.conftest import MOSQUITTO_CONF
from tests.mosquitto.clients import Session, signed_in
from tests.pipeline import cast
from tests.pipeline.running import Running, running
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

DEVICES, SERVICE = 1883, 1884
"""The listeners of docker/mosquitto.conf."""

PASSWORD = secrets.token_hex(16)


@dataclass(frozen=True)
class Installation:
    """The broker and what a test does with it."""

    broker: Mosquitto

    @property
    def port(self) -> int:
        """Where devices sign in."""
        return self.broker.ports[DEVICES]

    @property
    def url(self) -> str:
        """The service's own."""
        return f"mqtt://gateway:{PASSWORD}@127.0.0.1:{self.broker.ports[SERVICE]}"

    def fill(self) -> None:
        """`manage.py mosquitto_files`, once Mosquitto has read them."""
        with override_settings(MQTT_URL=self.url):
            call_command("mosquitto_files", str(self.broker.folder), verbosity=0)
        self.broker.reload()

    def device(self) -> Owned:
        """A new one with one command and a password."""
        return Owned(self.port, cast.device(cast.owner(), cast.CONFIG), "").renewed()

    def gateway(self, *filters: str) -> AbstractContextManager[Session]:
        """Somebody signed in with the service's own account."""
        client_id = f"keyseed-gateway-{secrets.token_hex(8)}"
        return signed_in(self.broker.ports[SERVICE], "gateway", PASSWORD, client_id, filters=filters)


@dataclass(frozen=True)
class Owned:
    """A device with the password that its owner was shown."""

    port: int
    device: cast.Device
    password: str

    @property
    def id(self) -> str:
        return str(self.device.id)

    def topic(self, end: str) -> str:
        return self.device.topic(end)

    def signed_in(
        self, *filters: str, client_id: str = "", version: str = "5"
    ) -> AbstractContextManager[Session]:
        return signed_in(self.port, self.id, self.password, client_id, version, filters)

    def renewed(self, overlap: int = 0) -> Owned:
        """With the new password that its owner makes now."""
        with transaction.atomic():
            made = credentials.add_password(self.device.tenant_id, self.device.id, overlap, cast.WHO)
        assert made.secret
        return Owned(self.port, self.device, made.secret)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("mosquitto")
    with Mosquitto(folder, MOSQUITTO_CONF.read_text(), users={"gateway": PASSWORD}, acl="") as broker:
        yield Installation(broker)


@pytest.fixture(autouse=True)
def its_settings(settings: Settings, installation: Installation) -> None:
    settings.MQTT_URL = installation.url


@pytest.fixture(scope="module")
def jobs(
    django_db_setup: None,
    installation: Installation,
    postgres: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """The worker that writes the files anew when credentials change."""
    with running(tmp_path_factory.mktemp("jobs"), postgres) as processes:
        processes.start(
            "jobs",
            MQTT_URL=installation.url,
            KEYSEED_MOSQUITTO_DIR=str(installation.broker.folder),
            KEYSEED_MOSQUITTO_PID_FILE=str(installation.broker.pid_file),
        )
        yield processes


@pytest.fixture
def new(installation: Installation, db: None) -> Callable[[], Owned]:
    """Makes devices."""
    return installation.device


@pytest.fixture
def healthy(new: Callable[[], Owned]) -> Owned:
    return new()


@pytest.fixture
def neighbour(new: Callable[[], Owned]) -> Owned:
    return new()
