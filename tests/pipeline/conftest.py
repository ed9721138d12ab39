"""The product on real servers, and devices that never give up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.bench import material
from tests.bench.load import Load, Tally
from tests.servers.mosquitto import password_lines
from tests.servers.product import Product

FILL = """
import json, sys
import django
django.setup()
from tests.bench import material
from tests.bench.fill import fill
print(json.dumps(fill(int(sys.argv[1]), material.requests(material.authority()))))
"""
PASSWORD = "load-password"


class Installation:
    """A running product, with questions that a test asks of it."""

    def __init__(self, product: Product) -> None:
        self.product = product

    def devices(self, count: int) -> list[str]:
        """Makes devices with five commands each; returns their ids."""
        ids: list[str] = json.loads(self.product.python(FILL, str(count)))
        return ids

    def load(self, devices: list[str], in_flight: int, repeat: float = 2.0) -> Load:
        """Devices that ask again after `repeat` seconds without an answer."""
        url = f"mqtt://load:{PASSWORD}@127.0.0.1:{self.product.mosquitto.ports[1884]}"
        return Load(url, "prov/v1", devices, material.pool(), in_flight, repeat)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with psycopg.connect(self.product.postgres.url) as connection:
            return connection.execute(sql).fetchall()

    def assert_all_provisioned_once(self, count: int, tally: Tally) -> None:
        """Every device is PROVISIONED and every result was stored exactly once."""
        assert tally.odd == []
        assert self.rows("SELECT status, count(*) FROM devices_device GROUP BY status") == [
            ("PROVISIONED", count)
        ]
        assert self.rows("SELECT DISTINCT status, attempt FROM commands_command") == [("SUCCEEDED", 0)]
        stored: Counter[str] = Counter()
        for (data,) in self.rows("SELECT data FROM devices_timelineentry WHERE kind = 'answered'"):
            stored.update(name for name, word in data["results"].items() if word == "stored")
        assert len(stored) == 5 * count
        assert set(stored.values()) == {1}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """PostgreSQL, Redis and Mosquitto with a gateway and a worker of two pool children."""
    with Product(tmp_path) as product:
        broker = product.mosquitto
        with broker.password_file.open("a") as file:
            file.write(password_lines({"load": PASSWORD}))
        with broker.acl_file.open("a") as file:
            file.write("\nuser load\ntopic readwrite prov/v1/#\n")
        broker.reload()
        product.start("inbound")
        product.start("gateway")
        yield Installation(product)
