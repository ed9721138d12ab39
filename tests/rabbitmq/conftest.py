"""RabbitMQ with its MQTT plugin, set up as docs/brokers.md says, and the whole of Keyseed beside it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from devices import credentials
from tests.mosquitto.clients import Session, signed_in
from tests.pipeline import cast
from tests.pipeline.running import Running, running
from tests.pki.make import Signer, jws, p256, public_pem
from tests.servers import ports
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

PASSWORD = secrets.token_hex(16)
TOKEN = secrets.token_urlsafe(32)
FILTERS = (f"{cast.ROOT}/+/+/get", f"{cast.ROOT}/+/+/results")
"""What the gateway subscribes to."""

ASKS = """\
mqtt.allow_anonymous = false
mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_noop
auth_backends.1 = internal
auth_backends.2 = http
auth_http.http_method = post
auth_http.user_path = {web}/user
auth_http.vhost_path = {web}/vhost
auth_http.resource_path = {web}/resource
auth_http.topic_path = {web}/topic
"""


@dataclass(frozen=True)
class Installation:
    """The broker, Keyseed's processes, and what a test does with them."""

    broker: RabbitMQ
    web: Running
    workers: Running

    def device(self) -> Owned:
        """A new one with one command and a password."""
        return Owned(self.broker.port, cast.device(cast.owner(), cast.CONFIG)).renewed()

    def gateway(self, *filters: str) -> AbstractContextManager[Session]:
        """Somebody signed in with the service's own account."""
        client_id = f"keyseed-gateway-{secrets.token_hex(8)}"
        return signed_in(self.broker.port, "gateway", PASSWORD, client_id, "3.1.1", filters)


@dataclass(frozen=True)
class Owned:
    """A device with what it signs in by."""

    port: int
    device: cast.Device
    password: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        return str(self.device.id)

    def topic(self, end: str) -> str:
        return self.device.topic(end)

    def signed_in(self, *filters: str, client_id: str = "") -> AbstractContextManager[Session]:
        return signed_in(self.port, self.id, self.password, client_id or self.id, "3.1.1", filters)

    def let_in(self, password: str | None = None, client_id: str | None = None) -> bool:
        """Whether the broker lets it in, as itself unless told otherwise."""
        given = self.password if password is None else password
        session = Session(self.port, self.id, given, self.id if client_id is None else client_id, "3.1.1")
        try:
            return session.open()
        finally:
            session.close()

    def renewed(self) -> Owned:
        """With the new password that its owner makes now."""
        with transaction.atomic():
            made = credentials.add_password(self.device.tenant_id, self.device.id, 0, cast.WHO)
        assert made.secret
        return Owned(self.port, self.device, made.secret)

    def with_token(self, seconds: int = 300) -> Owned:
        """With a key of its own, and a token that it signed."""
        key: Signer = p256()
        with transaction.atomic():
            credentials.add_public_key(self.device.tenant_id, self.device.id, public_pem(key), 0, cast.WHO)
        now = int(time.time())
        return Owned(self.port, self.device, jws(key, {"sub": self.id, "iat": now, "exp": now + seconds}))


@pytest.fixture(scope="session")
def asking(
    django_db_setup: None, postgres: Postgres, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RabbitMQ, Running]]:
    """The broker and the web part that it asks; it takes a quarter of a minute to come up."""
    folder = tmp_path_factory.mktemp("rabbitmq")
    with running(folder, postgres) as web, ThreadPoolExecutor() as threads, ExitStack() as stack:
        asked = f"http://{ports.HOST}:{web.http_port}/broker/rabbitmq/{TOKEN}"
        broker = RabbitMQ(folder / "broker", ASKS.format(web=asked).splitlines())
        stack.callback(broker.close)
        broker.prepare()
        up = threads.submit(broker.start)
        web.start("web", **its(broker))
        up.result()
        yield broker, web


@pytest.fixture(scope="module")
def installation(
    asking: tuple[RabbitMQ, Running], postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """All of it. What takes tasks ends with each file: the queues are those of all tests."""
    broker, web = asking
    with running(tmp_path_factory.mktemp("workers"), postgres) as workers:
        for name in ("jobs", "inbound", "gateway"):
            workers.start(name, **its(broker))
        yield Installation(broker, web, workers)


def its(broker: RabbitMQ) -> dict[str, str]:
    """The settings of an installation on this broker."""
    return {
        "MQTT_URL": f"mqtt://gateway:{PASSWORD}@{ports.HOST}:{broker.port}?version=3.1.1",
        "KEYSEED_BROKER_TOKEN": TOKEN,
        "KEYSEED_BROKER_API": f"rabbitmq+http://{broker.api_url}",
    }


@pytest.fixture(autouse=True)
def its_settings(settings: Settings, installation: Installation) -> None:
    for name, value in its(installation.broker).items():
        setattr(settings, name, value)


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
