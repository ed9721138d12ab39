"""A reader who types what the README says gets what it promises."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import find, ports

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
START = ".venv/bin/python manage.py standalone"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder like a clone's, in which nothing of this one is written."""
    for name in (".venv", "manage.py", "scripts", "provisioning"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def addresses() -> tuple[int, int]:
    """Free ports for HTTP and MQTT in place of the README's."""
    http, mqtt = ports.reserve(), ports.reserve()
    ports.release(http)
    ports.release(mqtt)
    return http, mqtt


def _moved(text: str, addresses: tuple[int, int]) -> str:
    http, mqtt = addresses
    return text.replace(":8000", f":{http}").replace(":1883", f":{mqtt}").replace("-p 1883", f"-p {mqtt}")


def _environment() -> dict[str, str]:
    """A shell's environment: none of the tests' own settings, and the MQTT clients on the path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KEYSEED_", "DATABASE_", "CELERY_", "MQTT_", "DJANGO_"))
    }
    clients = {str(program().parent) for program in (find.mosquitto_pub, find.mosquitto_sub)}
    return {**kept, "PATH": os.pathsep.join([*clients, kept["PATH"]])}


@pytest.fixture
def standalone(folder: Path, addresses: tuple[int, int]) -> Iterator[None]:
    """The first block's server, as the README starts it."""
    line = next(line for line in BLOCKS[0].splitlines() if line.startswith(START))
    with subprocess.Popen(
        _moved(line, addresses).replace(".venv/bin/python", sys.executable).split(),
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.usefixtures("standalone")
def test_the_owners_session_and_the_device_by_hand_end_provisioned(
    folder: Path, addresses: tuple[int, int]
) -> None:
    script = "set -euo pipefail\n" + _moved("\n".join(BLOCKS[1:]), addresses)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"items":')
    assert "\nREADY\n" in done.stdout
    assert '"errors":{"request.preSharedKey.secret":' in done.stdout
    assert '"type":"preSharedKey","params":{"secTag":42,' in done.stdout
    assert '"status":"PROVISIONED","results":' in done.stdout
    assert "\nPROVISIONED\n" in done.stdout


def test_the_demo_provisions_its_devices_and_ends(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--exit"],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 provisioned, 0 failed" in done.stdout


def test_the_simulate_command_is_as_written(folder: Path) -> None:
    command = re.search(r"`(\.venv/bin/python manage\.py simulate [^`]*)`", (ROOT / "README.md").read_text())
    assert command is not None
    options = re.findall(r"--[a-z-]+", command[1])
    shown = subprocess.run(
        [sys.executable, "manage.py", "simulate", "--help"],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(option in shown.stdout for option in options)
