"""scripts/prove-isolation URL: see `--help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing

from rich.console import Console

from provisioning.isolation import display, material, walk
from provisioning.isolation.api import API, Refused, Unreachable
from provisioning.isolation.document import NotOurs, Operation, operations
from provisioning.isolation.material import Side
from provisioning.isolation.verdict import Row
from provisioning.isolation.walk import World

A, B, PLATFORM = "KEYSEED_ISOLATION_A", "KEYSEED_ISOLATION_B", "KEYSEED_PLATFORM_KEY"

ABOUT = f"""\
Proves on a running installation that tenant A gets at nothing of tenant B: makes objects in both, asks every operation
of /v1/openapi.json with B's ids and with ids that never were, in every role, compares answers and times, and takes
its objects away again. Exit code 0: nothing leaks; 1: something leaks, or could not be proven; 2: it could not begin.

{A} and {B} hold an owner's API key of each of two throw-away tenants;
or {PLATFORM} holds the platform key, with which two are made (tenants stay: they hold nothing afterwards).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the proof; the exit code."""
    parser = argparse.ArgumentParser(
        "prove-isolation", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="the installation, such as https://keyseed.example.com")
    parser.add_argument(
        "--mqtt", help="its broker, mqtt[s]://host:port: A's device then tries B's topics, too"
    )
    parser.add_argument("--mqtt-root", default="prov/v1", help="where the devices' topics begin (prov/v1)")
    parser.add_argument("--all", action="store_true", help="print every row, not one for each operation")
    given = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        with closing(API(given.url)) as api:
            rows = _prove(api, given, console)
    except (Refused, Unreachable, NotOurs) as error:
        print(f"prove-isolation: {error}", file=sys.stderr)
        return 2
    return display.report(rows, console, everything=given.all)


def _prove(api: API, given: argparse.Namespace, console: Console) -> list[Row]:
    known = operations(api.made("GET", "/v1/openapi.json", None))
    a, b = _sides(api)
    try:
        return _walked(api, known, a, b, given, console)
    finally:
        left = [path for own in (a, b) for path in material.clear(api, known, own)]
        if left:
            console.print("Could not be taken away: " + ", ".join(left))


def _sides(api: API) -> tuple[Side, Side]:
    platform = os.environ.get(PLATFORM, "")
    given = [os.environ.get(name, "") for name in (A, B)]
    if not all(given):
        if not platform:
            raise Refused(f"set {A} and {B} to owner API keys of two throw-away tenants, or {PLATFORM}")
        given = [material.new_tenant(api, platform, name) for name in "AB"]
    a, b = (material.side(api, name, key) for name, key in zip("AB", given, strict=True))
    if a.tenant == b.tenant:
        raise Refused(f"{A} and {B} are keys of the same tenant: there is nothing to prove")
    return a, b


def _walked(
    api: API, known: Sequence[Operation], a: Side, b: Side, given: argparse.Namespace, console: Console
) -> list[Row]:
    for own in (a, b):
        material.fill(api, known, own)
    platform = os.environ.get(PLATFORM)
    keys = {**material.keys(api, a), "owner": a.key, "no key": None}
    world = World(api, known, a, b, {**keys, **({"platform": platform} if platform else {})})
    before = walk.seen(world)
    rows: list[Row] = []
    parts = list(walk.tasks(world))
    with display.progress(console, len(parts)) as step:
        for part in parts:
            rows += part()
            step()
    rows += walk.changed(before, walk.seen(world))
    if given.mqtt:
        from provisioning.isolation import mqtt

        rows += mqtt.rows(world, given.mqtt, given.mqtt_root)
    return rows


if __name__ == "__main__":
    sys.exit(main())
