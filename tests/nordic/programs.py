"""Runs the programs of nrfcloud-utils, each in a process of its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.nordic.units import address
from tests.standalone.installation import API_KEY, PROJECT, Installation, environment

# Seconds; the longest asks every five, four times.
PATIENCE = 90.0
KEY = ("--api-key", API_KEY)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and all that it said."""

    status: int
    said: str

    def done(self) -> str:
        """What it said, if it came to its end without a complaint."""
        assert self.status == 0, self.said
        assert "Traceback" not in self.said, self.said
        assert "ERROR" not in self.said, self.said
        return self.said


def run(service: Installation, state: Path, program: str, *arguments: str) -> Ran:
    """A program beside the modem of this file."""
    command = [sys.executable, "-m", "tests.nordic.launcher", address(service), str(state), program]
    ended = subprocess.run(
        [*command, *arguments],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout)
