"""The jobs worker carries events at once; one that was killed while it posted posts again."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from devices import events, webhooks
from tenants.models import WebhookDelivery
from tests.pipeline import cast, receivers
from tests.pipeline.receivers import HERE, OK, Authority, Receiver
from tests.pipeline.running import running
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def hanging(authority: Authority) -> Iterator[Receiver]:
    """Does not answer its first request for a while, and takes all others."""

    def answer(stream: socket.socket) -> None:
        if len(found.heard) == 1:
            time.sleep(4)
        stream.sendall(OK)

    with receivers.receiver(answer, authority.server(*HERE)) as found:
        yield found


def test_a_killed_worker_sends_again(
    hanging: Receiver,
    authority: Authority,
    postgres: Postgres,
    redis: Redis,
    mosquitto: Mosquitto,
    settings: Settings,
    tmp_path: Path,
) -> None:
    own = {"KEYSEED_WEBHOOK_ALLOW": "127.0.0.0/8", "KEYSEED_WEBHOOK_CA": str(authority.file)}
    settings.KEYSEED_WEBHOOK_ALLOW = [own["KEYSEED_WEBHOOK_ALLOW"]]
    tenant = cast.owner()
    webhooks.make(tenant.id, hanging.url, ["device.defined"], "")
    with running(tmp_path, postgres) as processes:
        worker = processes.start("jobs", **own)
        cast.device(tenant)
        cast.device(tenant)
        hanging.wait_for(1)
        worker.kill()
        assert WebhookDelivery.objects.filter(due_at__gt=timezone.now()).exists(), (
            "nobody else has it meanwhile"
        )
        WebhookDelivery.objects.update(due_at=timezone.now())  # the lease is over
        processes.start("jobs", **own)
        with transaction.atomic():
            events.nudge()
        hanging.wait_for(3)
    first, again, second = hanging.events
    assert first == again
    assert second["id"] != first["id"]
    assert first["at"] <= second["at"]
