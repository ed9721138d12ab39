"""The servers that tests run on are real, private, and gone when their owner is."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.servers import find, ports
from tests.servers.mosquitto import CONNECT, PLAIN, Mosquitto, password_lines
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.servers.server import NotStarted, exchange

ROOT = Path(__file__).parents[2]
CONNECT_REFUSED = b"\x20\x02\x00\x05"
EVERYONE = "topic readwrite #\n"
OWNER = """
import sys, time
from pathlib import Path
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

folder = Path(sys.argv[1])
with Postgres(folder / "p") as postgres, Redis(folder / "r") as redis, Mosquitto(folder / "m") as mosquitto:
    print(postgres.home, postgres.pid, redis.pid, mosquitto.pid, flush=True)
    time.sleep(60)
"""


def publishes(broker: Mosquitto, user: str, password: str) -> bool:
    address = ["-h", ports.HOST, "-p", str(broker.port), "-u", user, "-P", password]
    command = [str(find.mosquitto_pub()), *address, "-t", "t", "-m", "m"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def bind(port: int) -> None:
    with socket.socket() as other:
        other.bind((ports.HOST, port))


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_killed_owner_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout
        home, *words = owner.stdout.readline().split()
        pids = [int(word) for word in words]
        assert len(pids) == 3
        assert not any(gone(pid) for pid in pids)
        owner.kill()
    deadline = time.monotonic() + 10
    while not all(gone(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if not gone(pid)] == []
    shutil.rmtree(home)


def test_postgres_keeps_what_was_committed_over_a_restart(tmp_path: Path) -> None:
    with Postgres(tmp_path) as postgres:
        with psycopg.connect(postgres.url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        postgres.restart()
        with psycopg.connect(postgres.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_postgres_waits_for_the_disk_where_that_is_measured(
    tmp_path: Path, durable: bool, fsync: str
) -> None:
    with Postgres(tmp_path, durable=durable) as postgres, psycopg.connect(postgres.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == (fsync,)


def test_redis_refuses_who_has_no_password(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis:
        assert exchange(redis.port, b"PING\r\n", 7) == b"-NOAUTH"


def test_mosquitto_lets_in_whom_its_password_file_names(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"ann": "one"}, acl=EVERYONE) as broker:
        assert publishes(broker, "ann", "one")
        assert not publishes(broker, "ann", "two")
        broker.password_file.write_text(password_lines({"ann": "two"}))
        broker.reload()
        assert publishes(broker, "ann", "two")


def test_mosquitto_comes_back_on_its_port_after_a_crash(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"ann": "one"}, acl=EVERYONE) as broker:
        before = broker.pid
        broker.kill()
        broker.start()
        assert broker.pid == int(broker.pid_file.read_text()) != before
        assert publishes(broker, "ann", "one")


def test_a_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    with Redis(tmp_path) as redis:
        restarting = threading.Thread(target=redis.restart)
        restarting.start()
        restarting.join()
        time.sleep(0.1)
        assert redis.answers()


def test_each_listener_of_a_configuration_has_a_port_of_its_own(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, "listener 9001 0.0.0.0\nprotocol mqtt\n" + PLAIN) as broker:
        assert list(broker.ports) == [9001, 1883]
        assert exchange(broker.ports[1883], CONNECT, 4) == CONNECT_REFUSED


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, f"{PLAIN}no_such_setting 1\n")
    with pytest.raises(NotStarted, match="no_such_setting"), broker:
        pass


def test_a_reserved_port_is_refused_to_others_until_it_is_released() -> None:
    port = ports.reserve()
    with pytest.raises(OSError, match="in use"):
        bind(port)
    ports.release(port)
    bind(port)
