"""compose.yaml's own commands and environment, from an empty database to devices that are PROVISIONED."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import contained
from tests.containers import ROOT


@pytest.mark.timeout(120)
def test_devices_are_provisioned_by_the_processes_that_compose_starts(tmp_path: Path) -> None:
    with contained.installation(tmp_path) as running:
        key = (tmp_path / "secrets" / "owner_api_key").read_text()
        simulate = [
            sys.executable,
            "manage.py",
            "simulate",
            "--devices",
            "3",
            "--api",
            running.api,
            "--api-key",
            key,
        ]
        broker = f"mqtt://127.0.0.1:{running.broker.ports[1883]}"
        done = subprocess.run(
            [*simulate, "--mqtt", broker, "--timeout", "60"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for name, process in running.processes.items():
            assert process.stop() == 0, (name, process.text)
