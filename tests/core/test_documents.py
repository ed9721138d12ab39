"""The documents that are made from the code say what the code does, and `manage.py docs` keeps them fresh."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import catalogue, limits
from commands.catalogue import TYPES
from commands.device_errors import DEVICE_CODES
from commands.machine import TABLE, ErrorCode, Input, State
from commands.run import Word
from commands.status import RULES
from provisioning import documents
from provisioning.documents import command_types, markdown, state_machine
from provisioning.wire.rejections import REJECTIONS
from tenants.errors import CODES, Refusal
from tests.core import keys
from tests.core.lists import NOW

ROOT = Path(__file__).parents[2]
PATHS = ["docs/commands.md", "docs/errors.md", "docs/settings.md", "docs/state-machine.md"]


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    type: type
    default: str
    about: str


SETTINGS = (
    Setting("KEYSEED_LEVEL", str, "INFO", "One of A|B."),
    Setting("KEYSEED_SECRET", str, "", "Signs."),
    Setting("KEYSEED_ON", bool, "false", "Turns it on."),
    Setting("KEYSEED_MOST", int, "5", "How many."),
    Setting("KEYSEED_HOSTS", list, "a,b", "Which ones."),
)


def text(path: str) -> str:
    return documents.every(SETTINGS)[path]


def rows(path: str, heading: str = "") -> list[list[str]]:
    """The cells of the tables below a heading, without the heads and the marks of code."""
    part = text(path).partition(f"## {heading}\n")[2] if heading else text(path)
    bodies = re.findall(r"^\| ---.*\n((?:\|.*\n)*)", part.partition("\n## ")[0] + "\n", re.MULTILINE)
    lines = [line[2:-2] for body in bodies for line in body.splitlines()]
    return [[plain(cell) for cell in re.split(r" \| ", line)] for line in lines]


def plain(cell: str) -> str:
    return re.sub("^`([^`]*)`$", r"\1", cell).replace("\\|", "|")


def test_every_page_has_one_title_and_says_where_it_comes_from() -> None:
    assert list(documents.every(SETTINGS)) == PATHS
    for page in documents.every(SETTINGS).values():
        assert re.findall(r"^# .+$", page, re.MULTILINE) == [page.partition("\n")[0]]
        assert page.count(markdown.NOTICE) == 1
        assert "$" not in page.replace("[01]{9}$", "").replace(")+$", "")
        assert page.endswith("\n")
        assert not page.endswith("\n\n")


def test_a_place_that_is_not_filled_is_an_error() -> None:
    with pytest.raises(KeyError):
        markdown.page("# Title\n\n$nothing")


# ---- the state machine


def test_the_command_table_has_every_row_with_its_guard_and_effects() -> None:
    found = [line for line in rows(PATHS[3], "The command table") if len(line) == 5]
    assert found == [
        [state, given, row.when, row.next or "(gone)", "; ".join(row.effects)]
        for (state, given), row in TABLE.items()
    ]


def test_every_state_and_input_is_explained() -> None:
    states = [line[0] for line in rows(PATHS[3], "Command states")]
    inputs = [line[0] for line in rows(PATHS[3], "The command table") if len(line) == 2]
    assert (states, inputs) == (list(State), list(Input))


def test_the_picture_has_an_arrow_for_every_row_and_no_other() -> None:
    arrows = re.findall(r"^    (\S+) --> (\S+): (.+)$", state_machine.diagram(), re.MULTILINE)
    drawn = {(before, given, after) for before, after, inputs in arrows for given in inputs.split(", ")}
    table = {(state.value, given.value, row.next or "[*]") for (state, given), row in TABLE.items()}
    assert drawn == table | {("[*]", "add", "PENDING")}
    assert f"```mermaid\n{state_machine.diagram()}\n```" in text(PATHS[3])


def test_the_status_rules_stand_in_their_order() -> None:
    assert rows(PATHS[3], "Device status") == [[rule.status, rule.when] for rule in RULES]


def test_the_limits_are_those_of_the_code() -> None:
    part = text(PATHS[3]).partition("## Limits")[2].partition("##")[0]
    numbers = [int(number) for number in re.findall(r"\b\d+\b", part)]
    assert numbers == [limits.MAX_OPEN, limits.MAX_RUN, limits.MAX_DELIVERIES, limits.SECRET_DAYS]


# ---- the command types


def section(name: str) -> str:
    return text(PATHS[0]).partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_every_type_has_its_section_and_its_line() -> None:
    assert re.findall(r"^## (\S+)$", text(PATHS[0]), re.MULTILINE) == list(TYPES)
    for name, made in TYPES.items():
        assert f"[`{name}`](#{name.lower()}) | {made.summary} |" in text(PATHS[0])
        assert made.summary in section(name)


@pytest.mark.parametrize("name", TYPES)
def test_every_field_is_there_and_the_secret_ones_are_marked(name: str) -> None:
    found = {line[0]: line[3] for line in rows(PATHS[0], name)}
    assert found == {field.name: "yes" if field.secret else "" for field in TYPES[name].fields}


def test_the_limits_of_fields_are_told() -> None:
    told = {(name, line[0]): line[1] for name in TYPES for line in rows(PATHS[0], name)}
    assert told["preSharedKey", "secTag"] == "0 to 2147483647"
    assert told["preSharedKey", "identity"] == "1 to 128 characters"
    assert told["preSharedKey", "secret"] == "`^(?:[0-9A-Fa-f]{2})+$`, 16 to 128 characters"
    assert told["certificateSigningRequest", "keyUsage"] == "^[01]{9}$"
    assert told["clientPrivateKey", "password"] == "at most 128 characters"
    assert all(told.values())
    assert "1 to 100 pairs" in section("config")
    assert "It has no fields." in section("finished")


REAL = {
    "serverCertificate": {"content": keys.certificate(1, authority=True)},
    "clientCertificate": {"content": keys.certificate(2)},
    "clientPrivateKey": {"content": keys.encrypted(3, "correct horse battery")},
}


@pytest.mark.parametrize("name", TYPES)
def test_every_example_is_taken_once_its_pem_is_whole(name: str) -> None:
    ((type, params),) = json.loads(re.findall(r"```json\n(.+?)\n```", section(name), re.DOTALL)[0]).items()
    assert (type, params) == (name, command_types.EXAMPLES[name])
    assert catalogue.check({name: {**params, **REAL.get(name, {})}}, NOW).type is TYPES[name]


# ---- the errors


def test_every_code_and_word_is_there() -> None:
    def first(heading: str) -> list[str]:
        return [line[0] for line in rows(PATHS[1], heading)]

    assert first("What the API refuses") == list(CODES)
    assert first("Why a command failed") == list(ErrorCode)
    assert first("The device's own numbers") == [*map(str, DEVICE_CODES), "100 to 999", "any other"]
    assert first("What a device is refused") == list(REJECTIONS)
    assert first("What a device is told of its results") == list(Word)


def test_refusals_have_their_http_status_and_failures_their_advice() -> None:
    assert ["QUEUE_FULL", "409", CODES["QUEUE_FULL"].title] in rows(PATHS[1], "What the API refuses")
    for _, why, to_do in rows(PATHS[1], "Why a command failed"):
        assert why[0].isupper()
        assert "POST …/provisioning/{cid}/" in to_do
        assert "{message}" not in why


def test_the_example_of_a_refusal_is_a_real_one() -> None:
    example = json.loads(re.findall(r"```json\n(.+?)\n```", text(PATHS[1]), re.DOTALL)[0])
    params = {"secTag": -1, "content": keys.certificate(1, authority=True)}
    with pytest.raises(Refusal) as refused:
        catalogue.check({"serverCertificate": params}, NOW)
    assert example == {
        "code": refused.value.code,
        "title": CODES[refused.value.code].title,
        "message": refused.value.message,
        "errors": refused.value.errors,
    }


# ---- the settings


def test_every_setting_is_there_with_its_default() -> None:
    assert rows(PATHS[2]) == [
        ["KEYSEED_LEVEL", "text", "INFO", "One of A|B."],
        ["KEYSEED_SECRET", "text", "none", "Signs."],
        ["KEYSEED_ON", "`true` or `false`", "false", "Turns it on."],
        ["KEYSEED_MOST", "whole number", "5", "How many."],
        ["KEYSEED_HOSTS", "list, comma-separated", "a,b", "Which ones."],
    ]
    assert "One of A\\|B." in text(PATHS[2])


# ---- manage.py docs


def manage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "docs", *map(str, arguments)]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": "sqlite://:memory:",
    }
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_manage_py_writes_what_is_stale_and_check_names_it(tmp_path: Path) -> None:
    missing = manage("--check", "--folder", tmp_path)
    assert missing.returncode == 1
    assert all(path in missing.stderr for path in PATHS)
    assert list(tmp_path.iterdir()) == [], "a check writes nothing"

    assert manage("--folder", tmp_path).returncode == 0
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")) == PATHS
    assert manage("--check", "--folder", tmp_path).returncode == 0

    edited = tmp_path / PATHS[1]
    edited.write_text(edited.read_text() + "And more.\n")
    (tmp_path / PATHS[2]).unlink()
    stale = manage("--check", "--folder", tmp_path)
    assert stale.returncode == 1
    assert f"Stale: {PATHS[1]}, {PATHS[2]}." in stale.stderr
    assert edited.read_text().endswith("And more.\n")
