"""The rules know no framework, no database and no network: they can be read, tested and trusted alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = {"amqtt", "celery", "django", "environ", "paho", "psycopg", "redis", "rest_framework"}
CONTRACT = "The rules know no framework, no database and no network"
CORE = {
    "commands.catalogue",
    "commands.device_errors",
    "commands.limits",
    "commands.machine",
    "commands.placeholders",
    "commands.results",
    "commands.run",
    "commands.status",
    "devices.claims_csv",
    "devices.row",
    "devices.status",
    "provisioning.messages",
    "provisioning.throttle",
    "tenants.chain",
    "tenants.errors",
}


def promised() -> list[str]:
    """The modules of the import contract, which cannot see what is imported by name at run time."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(contract["source_modules"] for contract in contracts if contract["name"] == CONTRACT)


def test_the_contract_covers_the_core() -> None:
    assert set(promised()) >= CORE


@pytest.mark.parametrize("module", [*promised(), "provisioning.documents"])
def test_a_module_of_the_core_loads_no_framework(module: str) -> None:
    # In a process of its own: in a full run something else has loaded everything already.
    code = f"""
import importlib, pkgutil, sys
assert not {SHELL!r} & set(sys.modules), "loaded before"
module = importlib.import_module({module!r})
for found in pkgutil.walk_packages(getattr(module, "__path__", ()), {module + "."!r}):
    importlib.import_module(found.name)
print(*sorted({SHELL!r} & {{name.partition(".")[0] for name in sys.modules}}))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
