"""What tests share: the real servers, each started when a test first asks for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.mosquitto import Mosquitto
from tests.servers.plugin import GATEWAY, SERVERS
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

MOSQUITTO_CONF = Path(__file__).parents[1] / "docker" / "mosquitto.conf"
# The listener in it that is for Keyseed itself.
SERVICE_LISTENER = 1884
ACCESS = f"""\
user {GATEWAY}
topic readwrite prov/v1/#
pattern write prov/v1/%u/+/get
pattern write prov/v1/%u/+/results
pattern read prov/v1/%u/#
"""


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """The PostgreSQL of DATABASE_URL."""
    with pytestconfig.stash[SERVERS].postgres as server:
        yield server


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: Postgres) -> None:
    """Starts PostgreSQL for the first test that uses the database."""


@pytest.fixture(scope="session")
def redis(pytestconfig: pytest.Config) -> Iterator[Redis]:
    """The Redis of CELERY_BROKER_URL."""
    with pytestconfig.stash[SERVERS].redis as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto(pytestconfig: pytest.Config) -> Iterator[Mosquitto]:
    """The broker of MQTT_URL: the shipped configuration, and nobody signs in but the gateway.

    Devices are let in by writing `password_file` and calling `reload`.
    """
    servers = pytestconfig.stash[SERVERS]
    config = MOSQUITTO_CONF.read_text()
    users = {GATEWAY: servers.mqtt_password}
    at = {SERVICE_LISTENER: servers.mqtt_port}
    with Mosquitto(servers.folder / "mosquitto", config, users=users, acl=ACCESS, at=at) as server:
        yield server


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts further brokers, with `Mosquitto`'s arguments after the folder; they end with the test."""
    with ExitStack() as running:
        count = iter(range(100))

        def start(*arguments: object, **options: object) -> Mosquitto:
            broker = Mosquitto(tmp_path / f"mosquitto{next(count)}", *arguments, **options)  # type: ignore[arg-type]
            return running.enter_context(broker)

        yield start
