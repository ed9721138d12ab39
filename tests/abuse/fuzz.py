"""Atheris over the readers of `targets`, one after the other, each in a process of its own: scripts/fuzz.

`scripts/fuzz [target] [seconds]`: a minute over all of them, if nothing else is said. What a reader may not let out
ends the run with the input in a file; put that into tests/abuse/found/<target>/, where the tests feed it for ever.
KEYSEED_FUZZ_CORPUS is a folder in which what is learnt stays; without it, a run learns anew.
"""

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

MEMORY_MB = 768
"""Of the process. A key may ask for 256 MiB of scrypt, and Python and its libraries have some 150."""

SECONDS = 10
"""For one input. A key may ask for about one, and the machine may be busy."""

LONGEST = 70_000
"""Bytes of an input: more than any reader parses."""

USAGE = "Use scripts/fuzz [target] [seconds]; the targets are "


def one(name: str, arguments: list[str]) -> None:
    """Fuzzes one target; this process does nothing else and ends by itself."""
    atheris: Any = import_module("atheris")  # only here: not every machine has it

    packages = ["commands", "devices", "pki", "provisioning", "tenants"]
    with atheris.instrument_imports(include=packages):
        from tests.abuse import targets
    target = targets.TARGETS[name]
    atheris.Setup([sys.argv[0], *arguments], lambda data: void(target.feed(data)))
    atheris.Fuzz()


def void(_taken: bool) -> None:
    """libFuzzer takes no answer."""


def begun(folder: Path, name: str) -> Path:
    """The corpus of a target, with its seeds and what was ever found."""
    from tests.abuse.targets import FOUND, TARGETS

    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    for found in (FOUND / name).glob("*"):
        (corpus / f"found-{found.name}").write_bytes(found.read_bytes())
    return corpus


def run(folder: Path, name: str, seconds: int) -> bool:
    """Whether nothing was found."""
    artifacts = folder / "found" / name
    artifacts.mkdir(parents=True, exist_ok=True)
    limits = [f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS}", f"-max_len={LONGEST}"]
    options = [
        *limits,
        f"-max_total_time={seconds}",
        f"-artifact_prefix={artifacts}/",
        "-print_final_stats=1",
    ]
    command = [sys.executable, "-m", "tests.abuse.fuzz", "--one", name, str(begun(folder, name)), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    (folder / f"{name}.log").write_text(done.stdout)
    stats = dict(line[6:].split(": ", 1) for line in done.stdout.splitlines() if line.startswith("stat::"))
    inputs, peak = stats.get("number_of_executed_units", "?").strip(), stats.get("peak_rss_mb", "?").strip()
    print(f"{name:18} {inputs:>9} inputs {peak:>5} MiB", flush=True)
    if done.returncode:
        print(done.stdout[-4000:], *artifacts.iterdir(), sep="\n", flush=True)
    return not done.returncode


def main() -> int:
    from tests.abuse.targets import TARGETS

    words = sys.argv[1:]
    seconds = int(words.pop()) if words and words[-1].isdigit() else 60
    if len(words) > 1 or not set(words) <= set(TARGETS):
        print(USAGE + ", ".join(TARGETS), file=sys.stderr)
        return 2
    names = words or list(TARGETS)
    kept = os.environ.get("KEYSEED_FUZZ_CORPUS")
    folder = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="keyseed-fuzz-"))
    sound = [run(folder, name, max(1, seconds // len(names))) for name in names]
    return int(not all(sound))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
