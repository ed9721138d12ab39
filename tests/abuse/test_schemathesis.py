"""Schemathesis calls the whole API of a running `standalone`, with ids of things that are there.

No answer is a 5xx; every answer is one of the document's, in its shape; what the schema forbids is a 4xx, a method
that is not there a 405, and nothing opens without a key. The calls are the same on every run. To look for longer,
with other calls each time: `KEYSEED_ABUSE_EXAMPLES=300 scripts/test tests/abuse/test_schemathesis.py`; the number is
that of random calls per operation and kind, and the seed is told.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.world import World
from tests.standalone.installation import API_KEY, Installation

HERE = Path(__file__).parent
PLATFORM_KEY = "a-platform-key-for-these-tests-of-fifty-two-letters"
EXAMPLES = 6
LONGER = os.environ.get("KEYSEED_ABUSE_EXAMPLES")
GROWTH = 64 * 1024 * 1024
SETTINGS = {
    "KEYSEED_KEY_RATE": "0",
    "KEYSEED_STRANGER_RATE": "0",
    "KEYSEED_PLATFORM_KEY": PLATFORM_KEY,
}
FOR_DEVICES = r"^/v1/provisioning/(commands|response)$"
OF_THE_PLATFORM = r"^/v1/tenants"

pytestmark = pytest.mark.timeout(36_000 if LONGER else 300)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that counts no requests."""
    with Installation(tmp_path_factory.mktemp("abuse") / "data", settings=SETTINGS) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_broke(service: Installation) -> Iterator[None]:
    """Nor did anything grow for good."""
    before = service.memory()
    yield
    assert "Traceback" not in service.said()
    assert service.memory() - before < GROWTH


def call_all(service: Installation, tmp_path: Path, key: str, *which: str) -> None:
    """Runs Schemathesis on the operations that `which` chooses; fails with what it found."""
    same = ["--generation-database", "none"] if LONGER else ["--generation-deterministic"]
    program = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
    ]
    options = ["--phases", "coverage,fuzzing", "--no-color", "--max-examples", LONGER or str(EXAMPLES), *same]
    address, header = f"http://127.0.0.1:{service.http}/v1/openapi.json", f"Authorization: Bearer {key}"
    done = subprocess.run(
        [*program, address, "--header", header, *options, *which],
        cwd=tmp_path,
        env=os.environ
        | {"ABUSE_PORT": str(service.http), "ABUSE_KEY": key, "PYTHONPATH": str(HERE.parents[1])}
        | {"SCHEMATHESIS_HOOKS": "tests.abuse.hooks"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_address_of_an_owner_keeps_to_the_document(service: Installation, tmp_path: Path) -> None:
    others = f"{FOR_DEVICES}|{OF_THE_PLATFORM}"
    call_all(service, tmp_path, API_KEY, "--exclude-path-regex", others)


def test_every_address_of_devices_keeps_to_the_document(service: Installation, tmp_path: Path) -> None:
    token = World(service.http, API_KEY).device_token()
    call_all(service, tmp_path, token, "--include-path-regex", FOR_DEVICES)


def test_every_address_of_the_platform_keeps_to_the_document(service: Installation, tmp_path: Path) -> None:
    call_all(service, tmp_path, PLATFORM_KEY, "--include-path-regex", OF_THE_PLATFORM)
