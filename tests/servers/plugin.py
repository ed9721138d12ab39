"""A pytest plugin: the settings name private servers before Django reads them; tests start what they use."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.servers import ports
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

SETTINGS = ("DATABASE_URL", "CELERY_BROKER_URL", "MQTT_URL", "KEYSEED_")
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a test session, not started yet, and where the settings expect a broker."""

    folder: Path
    postgres: Postgres
    redis: Redis
    mqtt_port: int
    mqtt_password: str

    def close(self) -> None:
        """Ends what runs and leaves nothing behind."""
        self.postgres.close()
        self.redis.close()
        ports.release(self.mqtt_port)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """What Keyseed's settings read."""
        return {
            "DATABASE_URL": self.postgres.url,
            "CELERY_BROKER_URL": self.redis.url,
            "MQTT_URL": f"mqtt://{GATEWAY}:{self.mqtt_password}@{ports.HOST}:{self.mqtt_port}",
            "KEYSEED_SECRET_KEY": secrets.token_urlsafe(64),
            "KEYSEED_FIELD_KEYS": Fernet.generate_key().decode(),
            "KEYSEED_ALLOWED_HOSTS": f"testserver,localhost,{ports.HOST}",
            "KEYSEED_DEBUG": "false",
        }


SERVERS = pytest.StashKey[Servers]()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """A wrapper, because pytest-django loads the settings in this same hook."""
    if not early_config.pluginmanager.is_blocked("django"):
        servers = _servers(Path(tempfile.mkdtemp(prefix="keyseed-tests-")))
        early_config.stash[SERVERS] = servers
        early_config.add_cleanup(servers.close)
        _set_environment(servers)
    return (yield)


def _servers(folder: Path) -> Servers:
    return Servers(
        folder=folder,
        postgres=Postgres(folder / "postgres"),
        redis=Redis(folder / "redis"),
        mqtt_port=ports.reserve(),
        mqtt_password=secrets.token_hex(16),
    )


def _set_environment(servers: Servers) -> None:
    # Nothing that the caller's shell says about a real installation may reach a test.
    for name in [name for name in os.environ if name.startswith(SETTINGS) and name != "KEYSEED_SERVERS_FROM"]:
        del os.environ[name]
    os.environ.update(servers.environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
