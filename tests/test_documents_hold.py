"""What the written documents name exists: links, paths, commands, variables, checks, clauses, words, log lines."""

from __future__ import annotations

import json
import re
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.db import connection

from commands import limits
from commands.catalogue import TYPES
from commands.device_errors import DEVICE_CODES
from commands.run import Word
from config.environment import VARIABLES
from devices import timeline
from devices.status import Status
from provisioning import documents, health
from provisioning.management.commands.simulate import KEY_VARIABLE
from provisioning.simulator import formats
from provisioning.wire import codec
from provisioning.wire.rejections import REJECTIONS
from tests import containers
from tests.containers import ROOT

SOURCES = ("commands", "config", "devices", "docker", "pki", "provisioning", "tenants", "tests")
MADE = frozenset(documents.every(settings.ENVIRONMENT))
WRITTEN = [
    path
    for pattern in ("*.md", "docs/**/*.md", "tests/**/*.md")
    for path in sorted(ROOT.glob(pattern))
    if str(path.relative_to(ROOT)) not in MADE
]
WIRE = (ROOT / "docs" / "wire.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

CITATION = re.compile(r"WIRE\.md (\d+(?:\.\d+)?(?:(?:,| to| and) \d+\.\d+)*)")
MEASURED = re.compile(
    r"\d[\d.,]* (?:devices|messages|commands|requests)(?:/s| a second| per second)|\bp(?:50|99)\b|\d ?(?:ms|µs)\b"
)
OTHER_VARIABLES = {
    KEY_VARIABLE,
    "KEYSEED_ABUSE_EXAMPLES",
    "KEYSEED_ISOLATION_A",
    "KEYSEED_ISOLATION_B",
    "KEYSEED_SERVERS_FROM",
    *containers.variables(),
}

every_document = pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))


def table(text: str, heading: str) -> list[str]:
    """The first column of the first table below a heading."""
    below = text.partition(f"\n{heading}")[2]
    found = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert found, heading
    return [line.split("|")[1].strip().strip("`") for line in found[0].splitlines()[2:]]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def sources(*suffixes: str) -> Iterator[tuple[Path, str]]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path != Path(__file__):
                yield path, path.read_text()


# ---- every document


@every_document
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        there = (path.parent / target).resolve() if target else path
        assert there.exists() or str(there.relative_to(ROOT)) in MADE, target
        if anchor and there.exists():
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target}#{anchor}"


@every_document
def test_every_path_exists(path: Path) -> None:
    folders = "|".join((*SOURCES, "docs", "scripts", r"\.ci"))
    named = re.findall(rf"(?<![\w/.-])(?!devices/s\b)((?:{folders})/[\w./-]*\w)", path.read_text())
    for name in named:
        assert (ROOT / name).exists() or name in MADE or name.startswith("docker/tls"), name


@every_document
def test_every_command_of_manage_exists(path: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", path.read_text()))
    assert named <= set(get_commands())


@every_document
def test_every_variable_exists(path: Path) -> None:
    known = {name for one in VARIABLES for name in (one.name, f"{one.name}_FILE")} | OTHER_VARIABLES
    named = re.findall(r"\b(?:KEYSEED_\w+|DATABASE_URL\w*|CELERY_BROKER\w*|MQTT_\w+)\b", path.read_text())
    assert set(named) <= known


@every_document
def test_every_setting_of_celery_is_set(path: Path) -> None:
    for name in re.findall(r"\bCELERY_TASK_\w+", path.read_text()):
        assert hasattr(settings, name)


@every_document
def test_every_service_of_compose_exists(path: Path) -> None:
    known = set(containers.services())
    calls = re.findall(r"docker compose (exec|run|stop|kill|logs|restart)((?: [\w-]+)+)", path.read_text())
    for word, rest in calls:
        names = [one for one in rest.split() if not one.startswith("-") and one != "HUP"]
        assert set(names if word == "stop" else names[:1]) <= known, (word, rest)


@every_document
def test_no_figure_stands_without_the_way_to_repeat_it(path: Path) -> None:
    for section in re.split(r"^#+ ", path.read_text(), flags=re.MULTILINE):
        if found := MEASURED.search(section):
            assert "repeat with" in section.lower(), found[0]


def test_the_documents_that_readers_are_sent_to_are_there() -> None:
    names = {str(path.relative_to(ROOT)) for path in WRITTEN}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= names
    assert {f"docs/{name}.md" for name in ("wire", "operations", "deployment", "security")} <= names


# ---- docs/wire.md


def clauses() -> list[str]:
    return re.findall(r"^\*\*(\d+\.\d+)\*\*", WIRE, re.MULTILINE)


def chapters() -> list[str]:
    return re.findall(r"^## (\d+) ", WIRE, re.MULTILINE)


def test_clauses_are_numbered_without_gaps() -> None:
    assert chapters() == [str(number) for number in range(1, 11)]
    for chapter in chapters():
        numbers = [int(clause.split(".")[1]) for clause in clauses() if clause.split(".")[0] == chapter]
        assert numbers == list(range(1, len(numbers) + 1))


def test_every_clause_that_is_cited_exists() -> None:
    known = {*clauses(), *chapters()}
    cited = [
        (path, number)
        for path, text in sources(".py", ".json", ".conf", ".md", ".sh")
        for found in CITATION.findall(text)
        for number in re.findall(r"\d+(?:\.\d+)?", found)
    ]
    assert len(cited) > 100
    assert [(path, number) for path, number in cited if number not in known] == []


def test_every_clause_that_the_page_itself_and_its_readers_name_exists() -> None:
    own = re.findall(r"\((\d+\.\d+)\)", WIRE)
    others = [
        number
        for path in WRITTEN
        for number in re.findall(r"\[wire\.md\]\([^)]*\), (\d+\.\d+)", path.read_text())
    ]
    assert own
    assert others
    assert {*own, *others} <= set(clauses())


def test_every_golden_vector_cites_a_clause_that_exists() -> None:
    vectors = [json.loads(path.read_text()) for path in (ROOT / "tests/wire/vectors").glob("*.json")]
    cited = {one["clause"] for file in vectors for one in file["vectors"] if "clause" in one}
    assert cited
    assert cited <= {*clauses(), *chapters()}


def examples() -> list[tuple[str, str]]:
    return re.findall(r"^```json (\w+)\n(.*?)^```", WIRE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("verb", "text"), examples())
def test_every_example_is_one_that_both_ends_understand(verb: str, text: str) -> None:
    json_codec = codec.named("json")
    match verb:
        case "get":
            assert json_codec.decode_get(text.encode()).id
        case "results":
            assert json_codec.decode_results(text.encode()).results
        case _:
            assert formats.read(formats.Format.JSON, verb, text.encode())


def test_the_page_has_an_example_of_every_message() -> None:
    assert {verb for verb, _ in examples()} == {
        "get",
        "commands",
        "results",
        "accepted",
        "rejected",
        "notify",
    }


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("**2.2**", list(TYPES)),
        ("**3.3**", [word.value for word in Word]),
        ("**4.1**", list(REJECTIONS)),
    ],
)
def test_the_tables_of_words_are_those_of_the_code(clause: str, words: list[str]) -> None:
    assert table(WIRE, clause) == words


def test_the_command_table_names_every_field() -> None:
    for name, made in TYPES.items():
        row = re.search(rf"^\| `{name}` \|(.*?)\|", WIRE, re.MULTILINE)
        assert row
        assert re.findall(r"`(\w+)`", row[1]) == [field.name for field in made.fields]


def test_the_error_codes_are_those_of_the_code() -> None:
    assert [int(code) for code in table(WIRE, "**3.1**") if code.isdecimal()] == list(DEVICE_CODES)


# ---- docs/operations.md


def test_the_table_of_checks_has_every_check() -> None:
    told = sorted(set(re.findall(r'id="(keyseed\.[EW]\d+)"', (ROOT / "provisioning/checks.py").read_text())))
    assert table(OPERATIONS, "## What the checks mean") == told


@every_document
def test_every_check_that_is_named_exists(path: Path) -> None:
    known = table(OPERATIONS, "## What the checks mean")
    assert set(re.findall(r"keyseed\.[EW]\d+", path.read_text())) <= set(known)


def test_the_tables_of_states_and_processes_are_complete() -> None:
    assert set(table(OPERATIONS, "## One device is stuck")) == {status.value for status in Status}
    assert table(OPERATIONS, "## Health") == list(health.CHECKS)
    running = set(containers.services()) - {"migrate", "bootstrap"}
    assert set(table(OPERATIONS, "## The processes")) == running


def test_every_line_of_a_log_that_is_explained_can_be_written() -> None:
    code = "\n".join(text for path, text in sources(".py") if not path.is_relative_to(ROOT / "tests"))
    for line in table(OPERATIONS, "## Logs"):
        assert line in code


def test_the_gateways_lock_has_the_number_that_is_looked_for() -> None:
    assert f"objid = {zlib.crc32(b'keyseed gateway')}" in OPERATIONS


@pytest.mark.django_db
def test_every_query_runs() -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```", OPERATIONS, re.MULTILINE | re.DOTALL)
    queries = [one for block in blocks for one in block.split(";") if one.strip() and "PID_FROM" not in one]
    assert queries
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(query)


def test_what_is_erased_is_told_with_the_times_of_the_code() -> None:
    told = OPERATIONS.partition("## What is erased")[2].partition("\n## ")[0]
    assert f"{limits.SECRET_DAYS} days after they failed" in told
    assert f"after {timeline.DAYS} days, and beyond the newest {timeline.ENTRIES:,} of a device" in told


# ---- the rest


def test_every_decision_has_its_number_and_its_three_parts() -> None:
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in found] == list(range(1, len(found) + 1))
    for path in found:
        text = path.read_text()
        assert re.match(rf"# {int(path.name[:4])}\. \S", text)
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]


def test_the_changelog_says_what_devices_can_notice() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert newest.startswith("[Unreleased]")
    assert "### Wire and state" in newest


def test_the_licence_is_the_one_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert re.match(r"\s+Apache License\s+Version 2\.0", (ROOT / "LICENSE").read_text())
