"""`manage.py modem` as people call it: what it prints, what it keeps, how it ends."""

import csv
import io
import stat
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.management import CommandError, call_command

from provisioning.management.commands.modem import shown
from provisioning.simulator.material import Authority
from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import Step

from . import nordic_ends as ends
from .nordic_ends import CONFIGURED, LAST, MADE, canned, http


def call(state: Path, *arguments: str) -> str:
    out = io.StringIO()
    call_command("modem", "--state", str(state), *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "modem.json"


def test_the_first_call_makes_the_modem_and_later_ones_keep_it(state: Path) -> None:
    token = call(state, "token").strip()
    assert len(token) == 180
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    made = Modem.load(state).id
    assert call(state, "token").strip() != token  # another nonce
    assert Modem.load(state).id == made


def test_the_identity_is_a_row_of_two_columns(state: Path) -> None:
    text = call(state, "identity")
    ((device, pem),) = csv.reader(io.StringIO(text))
    assert text.startswith(f'{device},"-----BEGIN PUBLIC KEY-----\n')
    assert device == Modem.load(state).id
    load_pem_public_key(pem.encode())


def test_a_run_prints_what_is_done_and_hides_what_is_secret(state: Path) -> None:
    pem = Authority().pem
    commands = [
        [f"{MADE}.s", 0, "%CMNG", "3,1,2", [513]],
        [MADE, 0, "%KEYGEN", "1,2,0", []],
        ["a.0", 0, "%CMNG", f'0,1,0,"{pem}"', []],
        ["b.0", 0, "%CMNG", '0,1,3,"c0ffee"', []],
        [CONFIGURED, 1, {"key": "value"}],
        [LAST, 2],
    ]
    with canned(http("200 OK", cbor2.dumps(commands)), http("200 OK")) as service:
        lines = call(state, "run", "--http", service.url).splitlines()
    assert lines[0] == "AT%CMNG=3,1,2 -> +CME ERROR: 513"
    assert lines[1].startswith("AT%KEYGEN=1,2,0 -> %KEYGEN: ")
    assert len(lines[1]) < 100
    assert lines[2:] == [
        f"AT%CMNG=0,1,0,<{len(pem) + 2} characters> -> OK",
        "AT%CMNG=0,1,3,<8 characters> -> OK",
        "config key -> OK",
        "finished -> OK",
        "finished",
    ]
    kept = Modem.load(state)
    assert [(tag, kind) for tag, kind, _ in kept.store.listed()] == [(1, 0), (1, 2), (1, 3)]
    assert kept.settings == {"key": "value"}


def test_neither_content_nor_password_is_shown() -> None:
    for arguments in ('"pem\nsecret","pass"', "secret,pass", '"secret'):
        text = shown(Step("a.0", f"AT%CMNG=0,1,2,{arguments}", "ERROR\r\n"))
        assert text == f"AT%CMNG=0,1,2,<{len(arguments)} characters> -> ERROR"


def test_sizes_and_limit_are_told(state: Path) -> None:
    with canned(http("204 No Content")) as service, pytest.raises(CommandError, match="Not finished"):
        call(state, "run", "--http", service.url, "--limit", "5", "--rx", "1024", "--tx", "600")
    assert b"rxMaxSize=1024&txMaxSize=600&" in service.requests[0]
    assert b"&limit=5 " in service.requests[0]


def test_with_wait_it_asks_until_it_is_finished(state: Path) -> None:
    last = http("200 OK", bytes.fromhex(ends.COMMANDS_1))
    with canned(http("204 None"), http("204 None"), last, http("200 OK")) as service:
        assert call(state, "run", "--http", service.url, "--wait", "--every", "0.01").endswith("finished\n")


def test_what_was_made_is_kept_though_the_run_broke_off(state: Path) -> None:
    with (
        canned(http("200 OK", bytes.fromhex(ends.COMMANDS_2)), http("500 Oh"), http("403 No")) as service,
        pytest.raises(CommandError),
    ):
        call(state, "run", "--http", service.url)
    assert len(list(Modem.load(state).store.listed())) == 1


def test_a_device_that_is_not_let_in_shows_its_token(state: Path) -> None:
    with canned(http("403 Forbidden")) as service, pytest.raises(CommandError, match=r"Claim it with\n2dn3h"):
        call(state, "run", "--http", service.url)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["run"], "one of the arguments"),
        (["run", "--http", "nonsense"], "use http://host:port"),
        (["run", "--mqtt", "nonsense"], "use mqtt://host:port"),
        (["run", "--http", "http://127.0.0.1:1"], "does not answer"),
        (["run", "--http", "http://127.0.0.1:1", "--secret", "s"], "JWT only"),
        (["run", "--http", "http://127.0.0.1:1", "--limit", "0"], "from 1 to"),
        (["sing"], "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_said(state: Path, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call(state, *arguments)


def test_a_file_that_is_no_modem_is_left_alone(state: Path) -> None:
    state.write_text("precious")
    with pytest.raises(CommandError, match="holds no modem"):
        call(state, "token")
    assert state.read_text() == "precious"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be kept"):
        call(tmp_path / "none" / "modem.json", "token")


def test_over_mqtt_a_broker_is_asked(state: Path) -> None:
    with pytest.raises(CommandError, match=r"mqtt://127\.0\.0\.1:1 does not answer"):
        call(state, "run", "--mqtt", "mqtt://127.0.0.1:1", "--secret", "s")


def test_commands_that_break_the_rules_are_named(state: Path) -> None:
    with canned(http("200 OK", b"\x80")) as service, pytest.raises(CommandError, match="not 80"):
        call(state, "run", "--http", service.url)
