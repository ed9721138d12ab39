"""What compose.yaml, mosquitto.conf and mosquitto.sh say is done here: the same commands, on real servers."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests import containers
from tests.contained import CONFIG, ContainedMosquitto, Place, environment, make_secrets
from tests.containers import DOCKER
from tests.servers.mosquitto import CONNACK, CONNECT, Mosquitto
from tests.servers.postgres import Postgres

PUMP, VALVE = "5ad3ee6f-4d8e-4a41-9c4e-0d6b0a9be3f1", "0b8f9c1e-7c2e-4c2d-8a55-3f6d1d1f0e77"
ACCESS = "pattern read prov/v1/%u/#\n"
# API.md: a live session ends within 2 s; mosquitto.sh looks every half second.
KICKED_SECONDS = 2.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ContainedMosquitto]:
    """A broker that lets PUMP in with the password `one` and VALVE with `two`."""
    with ContainedMosquitto(tmp_path, CONFIG, users={PUMP: "one", VALVE: "two"}, acl=ACCESS) as running:
        yield running


class Session:
    """A device's live session; `lost` is set when it ends."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.lost = threading.Event()
        up = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, "any", reconnect_on_failure=False)
        client.username_pw_set(user, password)
        client.on_connect = lambda *_: up.set()
        client.on_disconnect = lambda *_: self.lost.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert up.wait(5)


def signs_in(port: int, user: str, password: str) -> bool:
    address = ["-h", "127.0.0.1", "-p", str(port), "-u", user, "-P", password]
    command = ["mosquitto_pub", *address, "-t", "t", "-n"]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


# ---- Mosquitto in its container


def test_a_device_that_leaves_the_file_loses_its_session_and_its_neighbour_keeps_its_own(
    broker: ContainedMosquitto,
) -> None:
    pump, valve = Session(broker.port, PUMP, "one"), Session(broker.port, VALVE, "two")
    broker.replace_passwords({VALVE: "two"})
    assert pump.lost.wait(KICKED_SECONDS)
    assert not signs_in(broker.port, PUMP, "one")
    assert not valve.lost.is_set()


def test_a_device_with_a_new_password_loses_the_session_of_the_old_one(broker: ContainedMosquitto) -> None:
    pump = Session(broker.port, PUMP, "one")
    broker.replace_passwords({PUMP: "three", VALVE: "two"})
    assert pump.lost.wait(KICKED_SECONDS)
    assert signs_in(broker.port, PUMP, "three")


def test_the_broker_ends_with_its_container_and_the_container_with_its_broker(
    broker: ContainedMosquitto,
) -> None:
    inner = int(broker.pid_file.read_text())
    assert inner != broker.pid
    broker.stop()
    assert not Path(f"/proc/{inner}").exists()
    broker.start()
    os.kill(int(broker.pid_file.read_text()), 9)
    assert eventually(lambda: broker._process is not None and broker._process.poll() not in (None, 0))


def test_the_health_check_tells_a_broker_that_serves_from_one_that_does_not(
    broker: ContainedMosquitto,
) -> None:
    _, check = containers.services()["mosquitto"]["healthcheck"]["test"]

    def healthy() -> bool:
        text = check.replace("1883", str(broker.port))
        return subprocess.run(["sh", "-c", text], env=environment(), check=False).returncode == 0

    assert healthy()
    broker.stop()
    assert not healthy()


def test_the_shipped_configuration_serves_devices_over_tls_and_takes_a_renewed_certificate(
    tmp_path: Path,
) -> None:
    """With its TLS block opened, as docs/deployment.md says."""
    block = re.search(r"(?:^# \w+ \S+\n)+(?=\n# The gateway)", CONFIG, re.MULTILINE)
    assert block
    opened = CONFIG.replace(block[0], re.sub("^# ", "", block[0], flags=re.MULTILINE))
    first = _certify(tmp_path)
    with Mosquitto(tmp_path, opened, users={PUMP: "one"}, acl=ACCESS) as running:
        assert _shown(running.ports[8883], tmp_path) == first
        second = _certify(tmp_path)
        running.reload()
        assert _shown(running.ports[8883], tmp_path) == second != first


def _shown(port: int, folder: Path) -> int:
    """The serial number of the certificate that the broker shows before it answers a CONNECT."""
    context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    ) as secured:
        secured.sendall(CONNECT)
        assert secured.recv(1) == CONNACK
        shown = secured.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown).serial_number


def _certify(folder: Path) -> int:
    """A new key and self-signed certificate in the folder; its serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "privkey.pem").write_bytes(plain)
    return made.serial_number


# ---- the steps that run once


def test_the_steps_that_run_once_leave_an_owner_and_a_broker_that_lets_the_gateway_in(
    tmp_path: Path, postgres: Postgres
) -> None:
    """Done twice, as every `up` does them; the second time changes nothing."""
    secrets = make_secrets(tmp_path)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE composed")
    (secrets / "database_url").write_text(postgres.url_of("composed"))
    moved = {containers.SECRETS: f"{secrets}/", "/mosquitto/keyseed": str(tmp_path / "files")}
    for _ in range(2):
        for name in ("migrate", "bootstrap"):
            Place(tmp_path, moved).run(name)
    with psycopg.connect(postgres.url_of("composed")) as connection:
        keys = connection.execute("SELECT role FROM tenants_apikey").fetchall()
    assert keys == [("owner",)]
    with Mosquitto(tmp_path / "files", CONFIG) as running:
        user, password = re.findall(r"//(\w+):(\w+)@", (secrets / "mqtt_url").read_text())[0]
        assert signs_in(running.ports[1884], user, password)
        assert not signs_in(running.ports[1884], user, "another")


# ---- healthy.py


def healthy(*arguments: str, **given: str) -> bool:
    command = [sys.executable, str(DOCKER / "healthy.py"), *arguments]
    return subprocess.run(command, env=environment(**given), capture_output=True, check=False).returncode == 0


def test_a_process_is_healthy_while_its_connection_stands() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert not healthy(str(port))
        with socket.create_connection(("127.0.0.1", port)):
            assert healthy(str(port))
            assert not healthy(str(port), "1")
    assert not healthy()


class Answers(BaseHTTPRequestHandler):
    """As the web part: 200 to the name it was given, 400 to any other."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "keyseed.example.com" else 400)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


def test_the_web_part_is_asked_by_a_name_that_it_answers_to() -> None:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/healthz"
        assert healthy(url, KEYSEED_ALLOWED_HOSTS=".keyseed.example.com,other")
        assert not healthy(url, KEYSEED_ALLOWED_HOSTS="other")
        server.shutdown()
    assert not healthy(url, KEYSEED_ALLOWED_HOSTS="keyseed.example.com")
