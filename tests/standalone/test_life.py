"""Standalone starts, says what it has to say, survives being killed, and ends when asked (issue 2, item 9)."""

import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standalone import material
from tests.standalone.board import ok
from tests.standalone.crowd import TAG, Crowd
from tests.standalone.fleet import Device, define
from tests.standalone.installation import API_KEY, PROJECT, Installation, environment
from tests.standalone.rest import Owner

# Seconds, on a machine that does other things too.
FEW = 8.0


def test_ready_is_one_line_and_names_both_addresses(service: Installation) -> None:
    lines = [line for line in service.out if line.startswith("ready ")]
    assert len(lines) == 1
    assert f"127.0.0.1:{service.http}" in lines[0]
    assert f"127.0.0.1:{service.mqtt}" in lines[0]


def test_once_ready_it_serves(service: Installation, owner: Owner, device: Device) -> None:
    assert owner.get("/readyz").status == 200
    with device.board() as board:
        assert board.get()["status"] == "READY"


def test_no_secret_is_said_where_output_is_no_terminal(service: Installation) -> None:
    login = next(line for line in service.first_start().splitlines() if line.startswith("Admin login"))
    assert login.split()[-1] not in service.said()
    assert API_KEY not in service.said()
    assert stat.S_IMODE((service.folder / "first-start.txt").stat().st_mode) == 0o600


def test_what_is_secret_in_the_folder_is_for_its_owner_alone(service: Installation) -> None:
    assert stat.S_IMODE(service.folder.stat().st_mode) & 0o077 == 0
    for path in service.folder.iterdir():
        if path.name in ("field_key", "secret_key", "gateway_password", "first-start.txt"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_admin_login_works_and_shows_no_secret(service: Installation) -> None:
    line = next(line for line in service.first_start().splitlines() if line.startswith("Admin login"))
    name, password = line.split()[-2:]
    connection = HTTPConnection("127.0.0.1", service.http, timeout=20)
    connection.request("GET", "/admin/login/")
    answer = connection.getresponse()
    cookie = (answer.getheader("set-cookie") or "").split(";")[0]
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.read())
    assert token is not None
    form = {
        "username": name,
        "password": password,
        "csrfmiddlewaretoken": token[1].decode(),
        "next": "/admin/",
    }
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/admin/login/", urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("location")) == (302, "/admin/")
    connection.close()


def test_no_secret_of_a_device_is_ever_logged(service: Installation, device: Device) -> None:
    secret = "beadcafe" * 8
    device.add({"preSharedKey": {"secTag": 1, "identity": "i", "secret": secret}})
    with device.board() as board:
        board.get()
    said = service.said()
    assert secret not in said
    assert device.secret not in said


def test_no_secret_lies_in_the_folder_in_the_clear(service: Installation, device: Device) -> None:
    secret, password = "facade0ff1ce" * 4, "a passphrase that is found nowhere else"
    key = material.encrypted(ec.generate_private_key(ec.SECP256R1()), password)
    device.add({"preSharedKey": {"secTag": 1, "identity": "i", "secret": secret}})
    device.add({"clientPrivateKey": {"secTag": 1, "content": key, "password": password}})
    middle = key.splitlines()[2]
    for path in service.folder.iterdir():
        content = path.read_bytes()
        for text in (secret, password, middle, device.secret, API_KEY):
            assert text.encode() not in content, path
        assert bytes.fromhex(secret) not in content, path


def test_a_second_standalone_on_the_folder_is_refused_and_the_first_goes_on(
    service: Installation, owner: Owner
) -> None:
    second = Installation(service.folder)
    second.launch()
    assert second.process is not None
    assert second.process.wait(30) != 0
    second.stop()
    assert str(service.folder) in second.said()
    assert "Traceback" not in second.said()
    owner.get("/v1/tenant").made()


@pytest.mark.parametrize("which", ["http", "mqtt"])
def test_a_port_in_use_is_told(tmp_path: Path, which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        installation = Installation(tmp_path / "data", **{which: port})
        process = installation.launch()
        assert process.wait(60) != 0
        installation.stop()
    said = installation.said()
    assert str(port) in said
    assert "use" in said.lower()
    assert "Traceback" not in said


def refused(tmp_path: Path, *arguments: str) -> str:
    command = [sys.executable, "manage.py", "standalone", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "nonsense", "127.0.0.1:x", "127.0.0.1:99999", ":", "127.0.0.1:-1"]
)
def test_an_address_that_is_none_is_told(tmp_path: Path, address: str) -> None:
    assert "--http" in refused(tmp_path, "--data", str(tmp_path / "data"), "--http", address)


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert str(file) in refused(tmp_path, "--data", str(file))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation for the tests that stop or kill one."""
    with Installation(tmp_path_factory.mktemp("life") / "data", api_key=None) as running:
        yield running


@pytest.fixture(scope="module")
def keyholder(own: Installation) -> Owner:
    line = next(line for line in own.first_start().splitlines() if line.lower().startswith("api key"))
    return Owner(own.http, line.split()[-1])


def test_a_first_start_makes_a_key_that_is_told_in_the_file_alone(
    own: Installation, keyholder: Owner
) -> None:
    assert keyholder.get("/v1/tenant").made()["name"] == "default"
    assert str(keyholder.key) not in own.said()


def test_what_was_acknowledged_is_there_after_a_kill(own: Installation, keyholder: Owner) -> None:
    crowd = Crowd(keyholder, own.mqtt).start()
    time.sleep(0.35)
    assert own.process is not None
    own.process.kill()
    own.process.wait()
    crowd.stop()
    own.stop()
    own.start()
    assert crowd.stored
    assert crowd.defined
    assert set(crowd.defined) <= {device["id"] for device in keyholder.all("/v1/claimed-devices", tag=TAG)}
    for device, correlation in crowd.stored:
        assert device.states(correlation.split(".")[0]) == ["SUCCEEDED"]
    for device in crowd.devices:
        with device.board() as board:
            board.results(*(ok(command["id"]) for command in board.get(limit=20)["commands"]))
        assert device.status == "PROVISIONED"


def test_ctrl_c_ends_it_within_seconds_with_code_0_and_leaves_nothing_running(
    own: Installation, keyholder: Owner
) -> None:
    device = define(keyholder, own.mqtt)
    with device.board() as board:
        begin = time.monotonic()
        assert own.stop(signal.SIGINT) == 0
        assert time.monotonic() - begin < FEW
        assert board.wait_until_lost(1) is not None
    assert "Traceback" not in own.said()
    for port in (own.http, own.mqtt):
        with (
            pytest.raises(OSError, match="refused"),
            socket.create_connection(("127.0.0.1", port), timeout=2),
        ):
            pass


def test_a_later_start_tells_nothing_again_keeps_everything_and_takes_another_key(
    own: Installation, keyholder: Owner
) -> None:
    before = own.first_start()
    own.api_key = API_KEY
    own.start()
    assert own.first_start() == before
    assert not any("login" in line.lower() for line in own.out)
    assert len(keyholder.all("/v1/claimed-devices", tag=TAG)) > 0
    assert Owner(own.http, API_KEY).get("/v1/tenant").status == 200


def test_sigterm_ends_it_too_while_a_browser_holds_a_connection(own: Installation) -> None:
    browser = HTTPConnection("127.0.0.1", own.http, timeout=20)
    browser.request("GET", "/healthz")
    assert browser.getresponse().read()
    begin = time.monotonic()
    assert own.stop(signal.SIGTERM, within=30) == 0
    browser.close()
    assert time.monotonic() - begin < FEW
    assert "Traceback" not in own.said()


def test_a_first_start_that_was_killed_does_no_harm_and_ctrl_c_works_as_soon_as_it_is_ready(
    tmp_path: Path,
) -> None:
    installation = Installation(tmp_path / "data")
    process = installation.launch()
    time.sleep(0.6)
    process.kill()
    process.wait()
    installation.stop()
    installation.at_ready = signal.SIGINT
    again = installation.launch()
    code = again.wait(60)
    installation.stop()
    assert "Admin login" in installation.first_start()
    assert "Traceback" not in installation.said()
    assert code == 0
