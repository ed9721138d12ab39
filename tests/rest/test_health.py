"""`healthz` says that the process lives, `readyz` that it can serve; neither says where anything is."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.rest.cast import call
from tests.servers import ports
from tests.servers.redis import Redis

ROOT = Path(__file__).parents[2]
ASK = """
import django
django.setup()
from django.test import Client
answer = Client().get("/readyz")
print(answer.status_code, answer.content.decode())
"""


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port at which nobody listens."""
    port = ports.reserve()
    yield port
    ports.release(port)


@pytest.mark.django_db
def test_living_asks_nobody() -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = call("GET", "/healthz")
    assert (answer.status, answer.body, len(queries)) == (200, {"status": "ok"}, 0)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.django_db
def test_with_everything_there_it_is_ready(redis: Redis) -> None:
    answer = call("GET", "/readyz")
    assert (answer.status, answer.body) == (200, {"status": "ok", "missing": {}})
    assert call("HEAD", "/readyz").status == 200
    assert call("POST", "/readyz").status == 405


@pytest.mark.django_db
def test_without_the_queue_it_is_not_ready(deaf: int) -> None:
    with override_settings(CELERY_BROKER_URL=f"redis://:sesame@127.0.0.1:{deaf}/0"):
        answer = call("GET", "/readyz")
    assert answer.status == 503
    assert list(answer.body["missing"]) == ["queue"]
    assert "sesame" not in str(answer.body)


@pytest.mark.django_db
def test_a_queue_that_says_nothing_is_waited_for_a_moment_only() -> None:
    with socket.create_server((ports.HOST, 0)) as mute:
        url = f"redis://:sesame@{ports.HOST}:{mute.getsockname()[1]}/0"
        began = time.monotonic()
        with override_settings(CELERY_BROKER_URL=url):
            assert call("GET", "/readyz").status == 503
    assert time.monotonic() - began < 10


@pytest.mark.django_db
def test_a_queue_inside_the_process_is_always_there() -> None:
    with override_settings(CELERY_BROKER_URL="memory://"):
        assert call("GET", "/readyz").status == 200


def elsewhere(database: str) -> tuple[int, str]:
    """What `readyz` of a process with this database answers."""
    environment = {**os.environ, "DATABASE_URL": database, "CELERY_BROKER_URL": "memory://"}
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        env={**environment, "KEYSEED_ALLOWED_HOSTS": "testserver"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, _, body = told.stdout.strip().partition(" ")
    return int(status), body


def test_without_the_database_it_is_not_ready(deaf: int) -> None:
    status, body = elsewhere(f"postgres://keyseed:sesame@127.0.0.1:{deaf}/keyseed")
    assert status == 503
    assert json.loads(body)["missing"] == {"database": "It does not answer."}
    for hidden in ("sesame", str(deaf), "127.0.0.1", "Error"):
        assert hidden not in body


def test_before_the_migrations_it_is_not_ready(tmp_path: Path) -> None:
    status, body = elsewhere(f"sqlite:///{tmp_path}/new.sqlite3")
    assert status == 503
    assert json.loads(body)["missing"] == {
        "database": "Its migrations are not applied: run `manage.py migrate`."
    }
