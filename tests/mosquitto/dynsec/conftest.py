"""Mosquitto with the dynamic security plugin, in place of the one that reads files."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from django.test import override_settings
from pytest_django.fixtures import Settings

from tests.mosquitto.conftest import SERVICE, Installation
from tests.pipeline.running import Running, running
from tests.servers.dynsec import DynsecMosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

ADMIN_PASSWORD = secrets.token_hex(16)


@dataclass(frozen=True)
class DynsecInstallation(Installation):
    """The same questions to a broker that keeps its clients itself."""

    broker: DynsecMosquitto

    @property
    def admin_url(self) -> str:
        """Where and as whom the plugin is told of changes."""
        return f"mqtt://keyseed-admin:{ADMIN_PASSWORD}@127.0.0.1:{self.broker.ports[SERVICE]}"

    def settings(self) -> dict[str, str]:
        """What an installation with this broker says."""
        return {"MQTT_URL": self.url, "KEYSEED_MOSQUITTO_DYNSEC": self.admin_url}

    def fill(self) -> None:
        """`manage.py dynsec_file`, while Mosquitto is stopped."""
        self.broker.stop()
        self.write()
        self.broker.start()

    def write(self) -> None:
        """The file anew, from the database."""
        with override_settings(**self.settings()):
            call_command("dynsec_file", str(self.broker.file), replace=True, verbosity=0)


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, redis: Redis, django_db_setup: None, django_db_blocker: object
) -> Iterator[DynsecInstallation]:
    broker = DynsecMosquitto(tmp_path_factory.mktemp("dynsec"))
    found = DynsecInstallation(broker)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        found.write()
    with broker:
        yield found


@pytest.fixture(autouse=True)
def names_the_plugin(settings: Settings, installation: DynsecInstallation) -> None:
    settings.KEYSEED_MOSQUITTO_DYNSEC = installation.admin_url


@pytest.fixture(scope="module")
def jobs(
    installation: DynsecInstallation, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The worker that tells the plugin when credentials change."""
    with running(tmp_path_factory.mktemp("jobs"), postgres) as processes:
        processes.start("jobs", **installation.settings())
        yield processes
