"""Measures devices provisioned per second beside the echo ceiling, both with the same load in one run.

`scripts/bench [--devices N] [--seconds S] [--in-flight F]`. PostgreSQL keeps its durable settings; every feature is on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from provisioning.wire import codec, correlation
from provisioning.wire.messages import Accepted
from tests.bench import material, usage
from tests.bench.load import Load, Tally
from tests.servers.mosquitto import Mosquitto, password_lines
from tests.servers.product import CONFIG, Product

ROOT_TOPIC = "prov/v1"
LOAD_ACL = "\nuser load\ntopic readwrite prov/v1/#\n"


def main() -> None:
    """Runs both and prints a table and, last, the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=30_000, help="devices in the database")
    parser.add_argument("--seconds", type=float, default=20, help="of load on each side")
    parser.add_argument("--in-flight", type=int, default=800, help="devices under way at once")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyseed-bench-") as folder:
        echo = _echo(Path(folder) / "echo", options.seconds, options.in_flight)
        product, used = _product(
            Path(folder) / "product", options.devices, options.seconds, options.in_flight
        )
    _print(echo, product, used)


def _echo(folder: Path, seconds: float, in_flight: int) -> Tally:
    pool = material.pool()
    requests = material.requests(material.authority())
    folder.mkdir(parents=True)
    canned = folder / "canned.json"
    canned.write_text(json.dumps(_canned(requests)))
    users = {"load": "load-password", "echo": "echo-password"}
    acl = LOAD_ACL + LOAD_ACL.replace("user load", "user echo")
    with Mosquitto(folder / "mosquitto", CONFIG.read_text(), users=users, acl=acl) as broker:
        port = broker.ports[1884]
        command = [
            "-m",
            "tests.bench.echo",
            f"mqtt://echo:echo-password@127.0.0.1:{port}",
            ROOT_TOPIC,
            str(canned),
        ]
        with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as echo:
            assert echo.stdout is not None
            echo.stdout.readline()
            devices = [str(uuid4()) for _ in range(200_000)]
            url = f"mqtt://load:load-password@127.0.0.1:{port}"
            tally = Load(url, ROOT_TOPIC, devices, pool, in_flight).run(seconds)
            echo.kill()
    return tally


def _canned(requests: Sequence[dict[str, object]]) -> dict[str, str]:
    spoken = codec.named("json")
    names = [correlation.make(uuid4(), 0) for _ in requests]
    items = []
    for name, request in zip(names, requests, strict=True):
        ((type_name, params),) = request.items()
        assert isinstance(params, dict)
        items.append(spoken.item(name, type_name, params))
    accepted = Accepted(id="2", status="PROVISIONED", results=dict.fromkeys(names, "stored"), pending=0)
    return {
        "get": spoken.commands("1", "PROVISIONING", items, 0).decode(),
        "results": spoken.accepted(accepted).decode(),
    }


def _product(folder: Path, count: int, seconds: float, in_flight: int) -> tuple[Tally, dict[str, float]]:
    with Product(folder, durable=True) as product:
        os.environ.update(product.environment)
        devices = _fill(count)
        _let_load_in(product)
        product.start("inbound")
        product.start("gateway")
        url = f"mqtt://load:load-password@127.0.0.1:{product.mosquitto.ports[1884]}"
        before = _cpu(product)
        tally = Load(url, ROOT_TOPIC, devices, material.pool(), in_flight).run(seconds)
        return tally, {name: used - before[name] for name, used in _cpu(product).items()}


def _cpu(product: Product) -> dict[str, float]:
    """CPU seconds used so far, by part; the load is this process."""
    parts = {
        "gateway": product.processes["gateway"].pid,
        "worker": product.processes["inbound"].pid,
        "PostgreSQL": product.postgres.pid,
        "Mosquitto": product.mosquitto.pid,
        "Redis": product.redis.pid,
    }
    return {"load": time.process_time(), **{name: usage.seconds(pid) for name, pid in parts.items()}}


def _let_load_in(product: Product) -> None:
    broker = product.mosquitto
    with broker.password_file.open("a") as file:
        file.write(password_lines({"load": "load-password"}))
    with broker.acl_file.open("a") as file:
        file.write(LOAD_ACL)
    broker.reload()


def _fill(count: int) -> list[str]:
    """Devices with five commands each, written as the service writes them."""
    import django

    django.setup()
    from tests.bench.fill import fill

    return fill(count, material.requests(material.authority()))


def _rate(tally: Tally) -> float:
    """Devices a second, without the first and last tenth of the run."""
    done = tally.done[len(tally.done) // 10 : -max(len(tally.done) // 10, 1)]
    return (len(done) - 1) / (done[-1] - done[0]) if len(done) > 1 else 0.0


def _print(echo: Tally, product: Tally, used: Mapping[str, float]) -> None:
    table = Table(title="Devices provisioned, five commands and two round trips each")
    for heading in ("", "devices", "devices/s", "round trip p50 ms", "p99 ms", "repeats", "odd answers"):
        table.add_column(heading, justify="right")
    for name, tally in (("echo ceiling", echo), ("Keyseed", product)):
        cuts = statistics.quantiles(tally.trips, n=100)
        table.add_row(
            name,
            f"{len(tally.done):,}",
            f"{_rate(tally):,.0f}",
            f"{cuts[49] * 1000:.1f}",
            f"{cuts[98] * 1000:.1f}",
            str(tally.repeats),
            str(len(tally.odd)),
        )
    Console(width=100).print(table)
    for odd in product.odd[:5]:
        print(odd)
    shares = ", ".join(f"{name} {1e6 * spent / len(product.done):,.0f}" for name, spent in used.items())
    print(f"CPU of Keyseed's side, microseconds a device: {shares}")
    print(f"ratio to echo ceiling: {_rate(product) / _rate(echo):.2f}")


if __name__ == "__main__":
    main()
