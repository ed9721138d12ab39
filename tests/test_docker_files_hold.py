"""Every command, path, variable and name in docker/ exists, and what can be run without an engine is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import redis as redis_library
from celery.bin.beat import beat
from celery.bin.worker import worker
from django.conf import settings
from django.core.management import get_commands, load_command_class

from config.environment import VARIABLES
from tests import containers
from tests.contained import make_secrets
from tests.containers import DOCKER, ROOT
from tests.servers.redis import Redis

CELERY = {"worker": worker, "beat": beat}
OF_IMAGES = {"postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}}
ONCE = {"migrate", "bootstrap"}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
KNOWN = {name for variable in VARIABLES for name in (variable.name, f"{variable.name}_FILE")}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets, made as compose.yaml's heading says."""
    return make_secrets(tmp_path_factory.mktemp("compose"))


# ---- the Dockerfile


def test_the_image_is_built_in_two_stages_from_pinned_bases() -> None:
    bases = [stage[0].arguments[0] for stage in containers.stages()]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.1[1-9]-slim-\w+", bases[0])


def test_what_the_image_takes_exists_and_is_in_the_context() -> None:
    taken = {path for one in containers.dockerfile() if one.word == "COPY" for path in one.arguments[:-1]}
    assert taken
    for path in taken:
        assert (ROOT / path).exists()
        assert containers.in_context(path.rstrip("/"))


@pytest.mark.parametrize(
    "path",
    [
        "docker/secrets/field_keys",
        ".git/config",
        ".env",
        "keyseed.sqlite3",
        "tests/conftest.py",
        "pki/__pycache__/x",
    ],
)
def test_what_is_private_never_reaches_the_context(path: str) -> None:
    assert not containers.in_context(path)


def test_the_image_holds_every_package_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= set(containers.copied())


def test_versions_are_those_that_the_tests_ran_with() -> None:
    pip = [one for one in containers.dockerfile() if one.word == "RUN" and " pip " in one.rest]
    wheel, install = (one.rest for one in pip)
    assert "--constraint constraints.txt" in wheel
    assert "--no-index" in install
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r"\[(\w+)\]", wheel + install):
        assert extra in project["optional-dependencies"]


def test_the_process_is_not_root_and_its_user_has_a_fixed_number() -> None:
    final = containers.stages()[-1]
    users = [one.rest for one in final if one.word == "USER"]
    assert users == ["1883:1883"]
    after = final[[one.word for one in final].index("USER") :]
    assert not {one.word for one in after} & {"RUN", "COPY", "ADD"}
    assert {"CMD", "HEALTHCHECK", "STOPSIGNAL"} <= {one.word for one in after}


def test_no_layer_holds_a_secret() -> None:
    told = [one.rest.partition("=")[0] for one in containers.dockerfile() if one.word in ("ENV", "ARG")]
    assert told == ["PYTHONUNBUFFERED"]


def test_the_image_needs_nothing_that_it_does_not_take(tmp_path: Path) -> None:
    """Its last RUN, on what it copies and without any environment."""
    for path in containers.copied():
        source, target = ROOT / path, tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    run = [one.rest for one in containers.stages()[-1] if one.word == "RUN"][-1]
    subprocess.run(["sh", "-euc", run], cwd=tmp_path, env={"PATH": PATH}, check=True)
    assert (tmp_path / Path(settings.STATIC_ROOT).name / "tenants").is_dir()


# ---- compose.yaml


def test_every_service_comes_back_by_itself_and_is_asked_how_it_is() -> None:
    image_asks = any(one.word == "HEALTHCHECK" for one in containers.dockerfile())
    for name, service in containers.services().items():
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        check = service.get("healthcheck", {})
        if name in ONCE:
            assert check == {"disable": True}
        else:
            assert check.get("test") or (name in containers.ours() and image_asks), name


def test_every_part_of_keyseed_has_a_service() -> None:
    servers = {"postgres", "redis", "mosquitto"}
    assert set(containers.services()) == servers | ONCE | {"web", "gateway", "worker", "jobs", "beat"}


def test_names_lead_somewhere() -> None:
    whole = containers.compose()
    for service in whole["services"].values():
        for other, how in service.get("depends_on", {}).items():
            assert other in whole["services"]
            ended = "service_completed_successfully"
            assert how["condition"] == (ended if other in ONCE else "service_healthy")
        assert set(service.get("secrets", ())) <= set(whole["secrets"])
        assert set(service["networks"]) <= set(whole["networks"])
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in whole["volumes"]


def test_only_what_is_meant_for_outside_is_published() -> None:
    services = containers.services()
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"mosquitto": ["1883:1883"], "web": ["127.0.0.1:8000:8000"]}
    listeners = re.findall(r"^listener (\d+)", (DOCKER / "mosquitto.conf").read_text(), re.MULTILINE)
    assert listeners == ["1883", "1884"]


def test_what_faces_the_outside_reaches_neither_database_nor_queue() -> None:
    whole = containers.compose()
    closed = {name for name, network in whole["networks"].items() if (network or {}).get("internal")}
    assert closed == {"data", "broker"}
    inside = {name for name, service in whole["services"].items() if "data" in service["networks"]}
    assert "mosquitto" not in inside
    assert whole["services"]["postgres"]["networks"] == whole["services"]["redis"]["networks"] == ["data"]


def test_mosquitto_owns_the_files_that_keyseed_writes_for_it_and_cannot_change_them() -> None:
    (user,) = (one.rest for one in containers.stages()[-1] if one.word == "USER")
    mosquitto = containers.services()["mosquitto"]
    assert mosquitto["user"] == user
    writers = [
        name for name, one in containers.ours().items() if "mosquitto-files" in str(one.get("volumes"))
    ]
    assert writers == ["migrate", "jobs"]
    assert "mosquitto-files:/mosquitto/keyseed:ro" in mosquitto["volumes"]


def test_every_variable_is_one_that_somebody_reads() -> None:
    for name, service in containers.services().items():
        known = KNOWN if name in containers.ours() else OF_IMAGES.get(name, set())
        assert set(service.get("environment", ())) <= known
    assert containers.variables() <= KNOWN | {"KEYSEED_VERSION"}


def test_no_secret_stands_in_the_environment() -> None:
    for service in containers.ours().values():
        given = service["environment"]
        assert not {"DATABASE_URL", "MQTT_URL", "KEYSEED_SECRET_KEY", "KEYSEED_FIELD_KEYS"} & set(given)
        files = [value for name, value in given.items() if name.endswith("_FILE")]
        assert {Path(path).name for path in files} <= set(service["secrets"])
        assert all(path.startswith(containers.SECRETS) for path in files)


def test_the_heading_says_how_to_make_every_secret(secrets: Path) -> None:
    wanted = {Path(secret["file"]).name for secret in containers.compose()["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == wanted
    assert secrets.stat().st_mode & 0o777 == 0o700
    for path in secrets.iterdir():
        assert path.read_text() == path.read_text().strip() != ""


def test_processes_that_compose_starts_have_nothing_to_complain_of(secrets: Path) -> None:
    service = containers.compose({"KEYSEED_HTTPS": "true", "KEYSEED_ALLOWED_HOSTS": "keyseed.example.com"})
    environment = containers.process_environment(service["services"]["web"], secrets)
    check = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(
        check, cwd=ROOT, env={"PATH": PATH, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(containers.ours()))
def test_every_command_that_a_service_runs_exists(name: str) -> None:
    for program in containers.programs(containers.command(containers.ours()[name])):
        _check_program(program)


def _check_program(program: list[str]) -> None:
    match program:
        case ["python", "manage.py", command, *arguments]:
            parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
            parser.parse_args(arguments)
        case ["celery", "-A", "config", command, *arguments]:
            made: Any = CELERY[command]
            made.make_parser(click.Context(made)).parse_args(arguments)
        case ["gunicorn", *arguments]:
            checked = [str(Path(sys.executable).parent / "gunicorn"), "--check-config", *arguments]
            done = subprocess.run(checked, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        case _:
            pytest.fail(f"nobody knows {program}")


def test_every_queue_has_a_worker_and_every_worker_a_queue() -> None:
    routed = {way["queue"] for way in settings.CELERY_TASK_ROUTES.values()}
    used = {settings.CELERY_TASK_DEFAULT_QUEUE} | routed
    commands = [containers.command(service) for service in containers.ours().values()]
    served = [words[words.index("-Q") + 1] for words in commands if "-Q" in words]
    assert sorted(served) == sorted(used)


def test_health_checks_ask_for_what_the_process_holds() -> None:
    ports = {"1884", "6379"}
    checks = [service.get("healthcheck", {}).get("test", []) for service in containers.ours().values()]
    asked = [words[1:] for words in checks if words]
    assert asked
    for program, path, port in asked:
        assert (program, port in ports) == ("python", True)
        assert path in containers.copied()


def test_redis_takes_what_compose_tells_it(tmp_path: Path) -> None:
    _, *arguments = containers.services()["redis"]["command"]

    class Composed(Redis):
        def command(self) -> list[str]:
            return [*super().command(), *arguments]

    with Composed(tmp_path) as redis:
        asked: Any = redis_library.Redis.from_url(redis.url)
        assert asked.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
        assert asked.config_get("maxmemory")["maxmemory"] == str(256 * 1024**2)
