"""What arrives fits the buffer that a modem told: on the built-in server, and on gunicorn behind TLS."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest

from provisioning.http import OVERHEAD
from provisioning.simulator.nordic import execute
from provisioning.simulator.nordic_codec import Settings, decode, encode
from tests.nordic import lists
from tests.nordic.raw import Received, exchange
from tests.nordic.units import Unit
from tests.standalone.fleet import FINISHED
from tests.standalone.installation import PROJECT, Installation, environment, free_port, settings_of

POST = "/v1/provisioning/response"
START = 30.0


@pytest.fixture(scope="module")
def gunicorn(service: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a web part of its own on the same database, as docs/deployment.md starts it."""
    port = free_port()
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    env = environment() | settings_of(service) | {"KEYSEED_HTTPS": "true"}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=out, stderr=out)
    try:
        wait_for(process, port, log)
        yield port
    finally:
        process.terminate()
        process.wait(15)


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            if exchange(port, "/healthz", {"X-Forwarded-Proto": "https"}).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(params=["standalone", "gunicorn"])
def port(request: pytest.FixtureRequest, service: Installation) -> int:
    """Where the devices' HTTP is served."""
    if request.param == "standalone":
        return service.http
    found: int = request.getfixturevalue("gunicorn")
    return found


def headers(unit: Unit) -> dict[str, str]:
    return {"Authorization": f"Bearer {unit.modem.jwt()}", "X-Forwarded-Proto": "https"}


def get(port: int, unit: Unit, settings: Settings) -> Received:
    query = f"after=&rxMaxSize={settings.rx}&txMaxSize={settings.tx}&limit={settings.records}"
    target = f"/v1/provisioning/commands?{query}"
    return exchange(port, target, {"Accept": "application/cbor", **headers(unit)})


def post(port: int, unit: Unit, body: bytes) -> Received:
    return exchange(port, POST, {"Content-Type": "application/cbor", **headers(unit)}, body)


@pytest.mark.parametrize("rx", [1024, 1100, 1536, 2048, 2560])
def test_every_answer_fits_and_everything_is_done(claimed: Unit, port: int, rx: int) -> None:
    settings = Settings(rx=rx, records=5, at_cmd_len=2048)
    commands = lists.small() if rx < 1536 else lists.whole()[:-1]
    ids = claimed.device.add(*commands, FINISHED)
    finished = False
    for _ in range(9):
        got = get(port, claimed, settings)
        assert (got.status, got.size <= rx, len(got.head) < OVERHEAD) == (200, True, True), got.head
        batch = execute(claimed.modem, decode(got.body, settings), settings)
        told = post(port, claimed, encode(batch.responses))
        assert (told.status, told.body, len(told.head) < OVERHEAD) == (200, b"", True), told.head
        if finished := batch.finished:
            break
    assert finished
    assert set(claimed.device.states(*ids)) == {"SUCCEEDED"}


def test_what_is_refused_fits_the_smallest_buffer(unit: Unit, port: int) -> None:
    small = Settings(rx=1024)
    unclaimed = get(port, unit, small)
    unit.claim()
    nothing = get(port, unit, small)
    unread = post(port, unit, b"nonsense")
    unsigned = exchange(port, POST, {"X-Forwarded-Proto": "https"}, cbor2.dumps([]))
    while (busy := get(port, unit, small)).status == 204:
        pass
    answers = [unclaimed, nothing, unread, unsigned, busy]
    assert [answer.status for answer in answers] == [403, 204, 400, 401, 500]
    for answer in answers:
        assert len(answer.head) < OVERHEAD, answer.head
        assert answer.size <= 1024
