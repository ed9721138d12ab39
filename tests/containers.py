"""Reads docker/ as an engine would: the Dockerfile's instructions, compose.yaml with its variables put in.

No engine is needed, so what it would do with them is for the tests to say.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
SECRETS = "/run/secrets/"

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: `flags` are its leading --words."""

    word: str
    flags: tuple[str, ...]
    rest: str

    @property
    def arguments(self) -> list[str]:
        """Its arguments, in either of Docker's two forms."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


def dockerfile() -> list[Instruction]:
    """The instructions in order."""
    lines = (line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [_instruction(line) for line in joined.splitlines() if line.strip()]


def _instruction(line: str) -> Instruction:
    word, *rest = line.split()
    flags = []
    while rest and rest[0].startswith("--"):
        flags.append(rest.pop(0))
    return Instruction(word, tuple(flags), " ".join(rest))


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first."""
    found: list[list[Instruction]] = []
    for instruction in dockerfile():
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def copied() -> list[str]:
    """What the final stage takes from the repository, as paths in it."""
    final = stages()[-1]
    return [
        path.rstrip("/")
        for one in final
        if one.word == "COPY" and not one.flags
        for path in one.arguments[:-1]
    ]


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a path through; the last line that speaks of it decides."""
    let = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#") and _speaks_of(pattern, path):
            let = line.startswith("!")
    return let


def _speaks_of(pattern: str, path: str) -> bool:
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
    return any(fnmatch(one, pattern) and one.count("/") == pattern.count("/") for one in above)


def compose(given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """compose.yaml with the variables of `given`, else their defaults, put in."""
    known = given or {}

    def put_in(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[2] or "")

    def read(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: read(one) for key, one in value.items()}
        if isinstance(value, list):
            return [read(one) for one in value]
        return _VARIABLE.sub(put_in, value) if isinstance(value, str) else value

    loaded: dict[str, Any] = read(yaml.safe_load((DOCKER / "compose.yaml").read_text()))
    return loaded


def services() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def variables() -> set[str]:
    """The names that compose.yaml takes from its own environment or .env."""
    return {found[1] for found in _VARIABLE.finditer((DOCKER / "compose.yaml").read_text()) if found[1]}


def ours() -> dict[str, dict[str, Any]]:
    """The services that run Keyseed's image."""
    return {name: service for name, service in services().items() if "build" in service}


def command(service: Mapping[str, Any]) -> list[str]:
    """What the service runs: its own command, else the image's."""
    given: list[str] | None = service.get("command")
    return given or next(one.arguments for one in reversed(dockerfile()) if one.word == "CMD")


def programs(words: list[str]) -> Iterator[list[str]]:
    """The programs that a command starts, those of `sh -c` one by one, without redirections."""
    if words[:2] != ["sh", "-c"]:
        yield words
        return
    for part in words[2].split("&&"):
        program = shlex.split(re.sub(r"\$\(.*?\)", "value", part))
        yield program[: program.index(">")] if ">" in program else program


def recipe() -> str:
    """The shell commands of compose.yaml's heading that make the secrets."""
    lines = (DOCKER / "compose.yaml").read_text().splitlines()
    return "\n".join(line.lstrip("# ") for line in lines if line.startswith("#   ") and "secrets" in line)


def image_environment() -> dict[str, str]:
    """What the image itself puts into the environment."""
    given = [one.rest.partition("=") for one in stages()[-1] if one.word == "ENV"]
    return {name: value for name, _, value in given}


def process_environment(service: Mapping[str, Any], secrets: Path) -> dict[str, str]:
    """The service's environment, its secrets being files in that folder."""
    given: dict[str, Any] = service.get("environment", {})
    return {name: str(value).replace(SECRETS, f"{secrets}/") for name, value in given.items()}
