"""`manage.py simulate` as people call it: what it prints, how it ends, what it refuses."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from provisioning.management.commands.simulate import Command
from tests.servers.mosquitto import Mosquitto

from .installation import ACCESS, GATEWAY, KEY, PASSWORD, Installation
from .test_fleet import CONFIG

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installation(start_mosquitto: Callable[..., Mosquitto]) -> Iterator[Installation]:
    secrets = {str(uuid.uuid4()): uuid.uuid4().hex for _ in range(4)}
    with Installation(
        start_mosquitto(CONFIG, users={GATEWAY: PASSWORD, **secrets}, acl=ACCESS), secrets
    ) as running:
        yield running


def start(installation: Installation, *options: str, key: str = KEY) -> subprocess.Popen[str]:
    at = ["--api", installation.api.url, "--mqtt", f"mqtt://127.0.0.1:{installation.broker.port}"]
    return subprocess.Popen(
        [sys.executable, "manage.py", "simulate", *at, *options],
        cwd=ROOT,
        env={**os.environ, "KEYSEED_API_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(installation: Installation, *options: str, key: str = KEY) -> tuple[int, str, str]:
    process = start(installation, *options, key=key)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_whole_fleet_provisioned_ends_with_0_and_a_summary(installation: Installation) -> None:
    code, out, err = run(installation, "--devices", "3", "--format", "cbor", "--keep")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "PROVISIONED 3" in lines
    assert lines[-2].startswith("3 provisioned, 0 failed in ")
    assert lines[-1].startswith("round trip p50 ")
    assert len(installation.services) == 3


def test_a_fleet_with_a_failure_ends_with_1_and_names_it(installation: Installation) -> None:
    code, out, _ = run(installation, "--devices", "2", "--faults", "fail=config:3")
    assert code == 1
    assert out.count(" is ERROR: ") == 2


def test_ctrl_c_ends_it_with_the_summary_so_far(installation: Installation) -> None:
    process = start(installation, "--devices", "4", "--parallel", "1", "--faults", "delay=1", "--pace", "10")
    while not installation.seen:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted after 0 of 4 devices" in out
    assert "Traceback" not in err
    assert installation.services == {}


def test_a_wrong_key_is_said_at_once(installation: Installation) -> None:
    code, _, err = run(installation, key="wrong")
    assert code == 1
    assert "401" in err
    assert installation.seen == {}


def test_a_broker_that_is_not_there_is_said_at_once(installation: Installation) -> None:
    code, _, err = run(installation, "--mqtt", "mqtt://127.0.0.1:1")
    assert code == 1
    assert "No broker answers at 127.0.0.1:1" in err
    assert installation.seen == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--devices", "0"), "use a number from 1"),
        (("--timeout", "nan"), "use a number from 0.001"),
        (("--faults", "loose=1"), "'loose' is no fault"),
        (("--format", "nrf"), "invalid"),
        (("--mqtt", "127.0.0.1"), "use mqtt://host:port"),
        (("--api", "127.0.0.1"), "use http://host:port"),
    ],
)
def test_an_option_that_means_nothing_is_refused_with_a_reason(options: tuple[str, ...], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command(Command(), "--api-key", KEY, *options)


def test_without_a_key_it_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYSEED_API_KEY", raising=False)
    with pytest.raises(CommandError, match="KEYSEED_API_KEY"):
        call_command(Command())
