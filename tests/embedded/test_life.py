"""The broker starts, says why when it cannot, and ends without a trace."""

import logging
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from provisioning.embedded.broker import CannotListen, EmbeddedBroker
from tests.embedded import raw
from tests.embedded.people import (
    GATEWAY,
    HEALTHY,
    PASSWORD,
    ROOT,
    SLOW,
    device,
    listening,
    new_broker,
    sign_in,
)
from tests.embedded.raw import Raw


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("mqtt-")}


def test_it_serves_once_start_returns_and_ends_with_stop() -> None:
    before = threads()
    broker = new_broker()
    port = broker.port
    with listening(port) as client:
        broker.stop()
        assert client.answer() is None
    with pytest.raises(ConnectionRefusedError):
        Raw(port)
    assert threads() == before


def test_stop_ends_a_sign_in_that_is_under_way_and_its_thread() -> None:
    before = threads()
    broker = new_broker()
    with Raw(broker.port, raw.connect(SLOW, SLOW, PASSWORD)) as client:
        time.sleep(0.2)
        began = time.monotonic()
        broker.stop()
        assert time.monotonic() - began < 3
        assert client.answer() is None
    assert threads() == before


def test_stop_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        broker = new_broker()
        with device(broker.port), Raw(broker.port), Raw(broker.port, raw.connect(SLOW, SLOW, PASSWORD)):
            time.sleep(0.1)
            broker.stop()
    assert not [record for record in caplog.records if record.levelno > logging.INFO or record.exc_info]


def test_stop_can_be_called_twice_and_before_start() -> None:
    broker = EmbeddedBroker("127.0.0.1", 0, ROOT, sign_in, GATEWAY)
    broker.stop()
    broker.start()
    broker.stop()
    broker.stop()


def test_it_can_be_started_again() -> None:
    broker = new_broker()
    broker.stop()
    broker.start()
    try:
        with device(broker.port):
            pass
    finally:
        broker.stop()


def test_a_kick_after_stop_does_nothing() -> None:
    broker = new_broker()
    broker.stop()
    broker.kick(HEALTHY)


def test_a_port_that_is_taken_is_said_plainly(caplog: pytest.LogCaptureFixture) -> None:
    before = threads()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        broker = EmbeddedBroker("127.0.0.1", port, ROOT, sign_in, GATEWAY)
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{port}.*in use.*another address"):
            broker.start()
    assert threads() == before
    assert not caplog.records


def test_a_host_that_is_not_here_is_said_plainly() -> None:
    with pytest.raises(CannotListen, match=r"203\.0\.113\.1"):
        EmbeddedBroker("203.0.113.1", 0, ROOT, sign_in, GATEWAY).start()


def test_there_is_no_port_before_start() -> None:
    with pytest.raises(RuntimeError, match="does not run"):
        _ = EmbeddedBroker("127.0.0.1", 0, ROOT, sign_in, GATEWAY).port


def test_it_is_not_started_twice() -> None:
    broker = new_broker()
    try:
        with pytest.raises(RuntimeError, match="runs already"):
            broker.start()
    finally:
        broker.stop()


def test_a_root_that_no_rule_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="topic root"):
        EmbeddedBroker("127.0.0.1", 0, "prov/#", sign_in, GATEWAY)


def test_nothing_is_said_about_a_day_s_work_but_refusals(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        broker = new_broker()
        try:
            with listening(broker.port):
                pass
            with Raw(broker.port, raw.connect(HEALTHY, HEALTHY, "a wrong secret")) as client:
                client.answer()
        finally:
            broker.stop()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert HEALTHY in lines[0]
    assert "a wrong secret" not in lines[0]


def open_files() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir()}


def test_connections_leave_the_low_file_descriptors_to_those_who_need_them() -> None:
    """select(), which the web server and paho use, ends at descriptor 1023."""
    before = open_files()
    broker = new_broker()
    try:
        with ExitStack() as devices:
            for number in range(5):
                devices.enter_context(device(broker.port, suffix=f"-{number}"))
            opened = open_files() - before
            assert len([descriptor for descriptor in opened if descriptor >= 1024]) == 5
    finally:
        broker.stop()


FEW_FILES = """
import resource, sys
from tests.embedded.people import device, new_broker
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
broker = new_broker()
with device(broker.port):
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], broker._running.broker._limits.connections)
broker.stop()
"""


@pytest.mark.parametrize(
    ("allowed", "most", "expected"),
    [("256", "20000", "11024 10000"), ("256", "600", "600 344"), ("2000", "2000", "2000 1744")],
)
def test_it_makes_room_for_its_connections_or_allows_fewer(allowed: str, most: str, expected: str) -> None:
    command = [sys.executable, "-c", FEW_FILES, allowed, most]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() == expected
    assert ("at most" in done.stderr) == (expected != "11024 10000")
