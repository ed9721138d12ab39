"""Owner over REST, devices over Mosquitto, workers on Redis, lists in PostgreSQL: the whole path, as installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.servers.product import Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """All processes of an installation."""
    folder: Path = tmp_path_factory.mktemp("installation")
    with Product(folder) as running:
        for program in ("inbound", "jobs", "gateway", "web"):
            running.start(program)
        yield running


@pytest.mark.parametrize(("format", "version"), [("json", "5"), ("cbor", "3.1.1")])
def test_every_device_does_all_nine_command_types_and_ends_provisioned(
    product: Product, format: str, version: str
) -> None:
    said = product.manage(
        *("simulate", "--devices", "20", "--parallel", "20", "--format", format, "--mqtt-version", version),
        *("--api", f"http://127.0.0.1:{product.http_port}", "--api-key", product.key),
        *("--mqtt", f"mqtt://127.0.0.1:{product.device_port}", "--keep"),
    )
    assert "20 provisioned, 0 failed" in said
    with psycopg.connect(product.postgres.url) as connection:
        statuses = connection.execute("SELECT DISTINCT status, pending FROM devices_device").fetchall()
        types = connection.execute("SELECT count(DISTINCT type) FROM commands_command").fetchone()
        secrets = connection.execute(
            "SELECT count(*) FROM commands_command WHERE secrets IS NOT NULL"
        ).fetchone()
    assert statuses == [("PROVISIONED", 0)]
    assert types == (9,)
    assert secrets == (0,)
