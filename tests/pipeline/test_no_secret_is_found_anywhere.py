"""Secrets come in through every door, and are then looked for on every disk, in every queue, log, page and answer.

What may hold one: the answer that shows a new secret once, and settings. Hashes and sealed text are no secrets.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis as client

from provisioning.sealed import COLUMNS
from tests.pipeline import doors, secret_life
from tests.pipeline.doors import PASSWORD, psk
from tests.pipeline.ear import Ear
from tests.pipeline.needles import Search
from tests.pipeline.secret_life import Life
from tests.servers import ports
from tests.servers.mosquitto import Mosquitto
from tests.servers.product import CONFIG, ROOT, Process, Product

TOKENS = ("KEYSEED_PLATFORM_KEY", "KEYSEED_BROKER_TOKEN")
OPERATOR = {"DJANGO_SUPERUSER_USERNAME": "anna", "DJANGO_SUPERUSER_PASSWORD": f"operator-{psk()}"}
# Where one has to be: devices' messages travel through the queue as they are, and who sends a request is told which
# name in it is wrong, and led back to the address that was asked for.
ALLOWED = {
    ("what Redis was told", "a malformed message"),
    ("POST /v1/claimed-devices/{id}/provisioning", "a field's name"),
    ("POST /v1/claimed-devices/{id}/provisioning", "a double name"),
    ("GET /admin/login/", "a query"),
}
SEALED_COLUMNS = """
import django
django.setup()
from tests.pipeline import sealed_text
print(*sealed_text.columns())
"""


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Every process writes all that it can say."""
    given = {name: f"{name}-{psk()}" for name in TOKENS}
    levels = {"KEYSEED_LOG_LEVEL": "DEBUG", "KEYSEED_DEBUG": "false"}
    product = Product(tmp_path, settings={**given, **levels, **OPERATOR})
    product.mosquitto.close()
    product.mosquitto = Mosquitto(tmp_path / "mosquitto", CONFIG.read_text() + "\nlog_type all\n")
    with product:
        found = Life(product)
        settings = product.environment
        secret = ("KEYSEED_SECRET_KEY", "KEYSEED_FIELD_KEYS", "DJANGO_SUPERUSER_PASSWORD", *TOKENS)
        for name in secret:
            found.plant(name, settings[name])
        for name in ("MQTT_URL", "DATABASE_URL", "CELERY_BROKER_URL"):
            found.plant(f"the password in {name}", re.findall(r":([0-9a-f]{32})@", settings[name])[0])
        found.plant("the owner's key", product.key)
        product.manage("createsuperuser", "--no-input", "--email", "anna@example.com")
        yield found


def gunicorn(product: Product) -> Process:
    """The web part as its image starts it, but for its address."""
    docker = (ROOT / "docker" / "Dockerfile").read_text()
    (line,) = re.findall(r'^CMD (\["gunicorn".*\])$', docker, re.MULTILINE)
    at = f"127.0.0.1:{product.http_port}"
    arguments = [one.replace("0.0.0.0:8000", at) for one in json.loads(line)[1:]]
    ports.release(product.http_port)
    command = ["-m", "gunicorn", *arguments, "--log-level", "debug"]
    process = Process("web", command, product.environment, product.folder / "web.log")
    product.processes["web"] = process
    process.wait_for("Booting worker")
    return process


def test_the_search_finds_a_secret_in_every_form(tmp_path: Path) -> None:
    secret = f"{PASSWORD}?>~"
    for form in (
        secret.encode(),
        secret.encode().hex().encode(),
        *(base64.b64encode(b"user:" + b"x" * n + secret.encode() + b" more") for n in range(3)),
        *(base64.urlsafe_b64encode(b"x" * n + secret.encode() + b" more") for n in range(3)),
        b"q=" + doors.quoted(secret).encode(),
    ):
        search = Search({"planted": secret})
        (tmp_path / "file").write_bytes(b"before " + form + b" behind")
        search.look_below("folder", tmp_path)
        assert len(search.hits) == 1, form
        assert search.hits[0].startswith("folder: planted, after ")


@pytest.mark.timeout(240)
def test_no_secret_is_found_anywhere(life: Life) -> None:
    product, search = life.product, Search({})
    with Ear(product.redis) as ear:
        product.start("gateway")
        gunicorn(product)
        device = secret_life.claimed(life)
        secret_life.commands(life, device)
        secret_life.keys(life, device)
        secret_life.mistakes(life, device)
        secret_life.failures(life, device)
        secret_life.people(life, device)
        waiting = redis_holds(product)
        for name in ("inbound", "jobs"):
            product.start(name)
        secret_life.served(life, device)
        secret_life.look_at_everything(life, device)
        search = Search(life.planted)
        search.look("what Redis was told", ear.heard)
    search.look("Redis before the workers came", waiting)
    search_everywhere(life, search)
    found = {(place.replace(str(device.id), "{id}"), door) for place, door in search.found}
    assert found - ALLOWED == set(), search.hits
    assert all(search.places.values()), search.places
    assert "GET /v1/claimed-devices " in product.processes["web"].text
    known = {column.title for column in COLUMNS}
    sealed = set(product.python(SEALED_COLUMNS).split())
    assert {"commands_rulecommand.secrets", "tenants_webhook.secret"} <= sealed <= known


# ---- where it is looked for


def search_everywhere(life: Life, search: Search) -> None:
    """Disks, queues, logs, answers."""
    product = life.product
    search.look("the database", rows(product))
    life.sql("CHECKPOINT")
    search.look_below("PostgreSQL's folder", product.postgres.home / "data")
    search.look("PostgreSQL's log", product.postgres.log_text())
    search.look("Redis", redis_holds(product))
    with client.Redis.from_url(product.redis.url) as connected:
        connected.config_set("rdbcompression", "no")
        connected.save()
    search.look("Redis' dump", (product.redis.folder / "dump.rdb").read_bytes())
    search.look("Redis' log", product.redis.log_text() or "-")
    search.look_below("Mosquitto's folder", product.mosquitto.folder)
    for name, process in product.processes.items():
        assert "DEBUG" in process.text or name == "web", name
        search.look(f"the log of {name}", process.text)
    for place, told in life.caller.told.items():
        search.look(place, b"\n".join(told))


def rows(product: Product) -> str:
    """Every row of every table, as text: what is stored compressed is found in no file."""
    with psycopg.connect(product.postgres.url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        found = [connection.execute(f'SELECT t::text FROM "{name}" t').fetchall() for (name,) in tables]
    return "\n".join(str(row) for table in found for (row,) in table)


def redis_holds(product: Product) -> bytes:
    """Every value in Redis."""
    found: list[bytes] = []
    with client.Redis.from_url(product.redis.url) as connected:
        for key in connected.scan_iter():
            match connected.type(key):
                case b"list":
                    found += connected.lrange(key, 0, -1)
                case b"hash":
                    found += connected.hvals(key)
                case b"set":
                    found += connected.smembers(key)
                case b"zset":
                    found += connected.zrange(key, 0, -1)
                case _:
                    found += [connected.get(key) or b""]
    return b"\n".join(found)


# ---- the search would find it


@pytest.mark.timeout(120)
def test_a_control_in_a_row_a_queue_and_a_log_is_found(life: Life) -> None:
    product, control = life.product, life.psk("a control")
    product.start("gateway")
    text = base64.b64encode(f"x{control} more".encode()).decode()
    life.sql(f"UPDATE tenants_tenant SET name = '{text}'")
    with client.Redis.from_url(product.redis.url) as connected:
        connected.set("jobs", text)
    for log in (product.processes["gateway"].log, product.mosquitto.log):
        with log.open("a") as file:
            file.write(control)
    search = Search({"a control": control})
    search_everywhere(life, search)
    assert {hit.partition(":")[0] for hit in search.hits} == {
        "the database",
        "PostgreSQL's folder",
        "Redis",
        "Redis' dump",
        "Mosquitto's folder",
        "the log of gateway",
    }
