"""scripts/prove-isolation as an adopter runs it: a process that knows an address and two keys."""

import subprocess
import sys

from tests.standalone.installation import PROJECT, environment


def prove(*arguments: str, **keys: str) -> subprocess.CompletedProcess[str]:
    """Runs it; `keys` are environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "provisioning.isolation", *arguments],
        cwd=PROJECT,
        env=environment() | keys,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def of(owners: tuple[str, str]) -> dict[str, str]:
    return {"KEYSEED_ISOLATION_A": owners[0], "KEYSEED_ISOLATION_B": owners[1]}
