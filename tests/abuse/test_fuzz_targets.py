"""What the fuzzer does, for a few seconds and without it: every reader takes or refuses whatever it is fed.

scripts/fuzz looks for longer and more cleverly.
"""

import random
import subprocess
import sys
import time

import pytest

from tests.abuse.targets import FOUND, TARGETS, Target

SECONDS = 0.2
"""For the changed inputs of one target."""

SLOW = 5.0
"""Seconds of the processor for one input; a key may ask for about one."""

INTERESTING = [
    b"",
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\x80",
    b"[",
    b"{",
    b'"',
    b"-----",
    b"\n",
    b".",
    b",",
]

each = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())


def feed(target: Target, data: bytes) -> bool:
    """Whether the reader took it, within its time."""
    begun = time.process_time()
    taken = target.feed(data)
    assert time.process_time() - begun < SLOW
    return taken


def changed(chance: random.Random, data: bytes) -> bytes:
    """The same with one to four places cut, doubled or overwritten."""
    for _ in range(chance.randint(1, 4)):
        begin = chance.randint(0, len(data))
        end = min(len(data), begin + chance.choice((0, 1, 1, 2, 8, 64)))
        put = chance.choice(
            (chance.choice(INTERESTING), chance.randbytes(chance.randint(1, 4)), data[begin:end] * 2)
        )
        data = data[:begin] + put + data[end:]
    return data


@each
def test_seeds_reach_far(target: Target) -> None:
    seeds = target.seeds()
    assert seeds
    taken = [feed(target, seed) for seed in seeds]
    assert any(taken), "no seed is taken: a fuzzer would begin at the door"


@each
def test_seeds_gone_bad_are_taken_or_refused(target: Target) -> None:
    chance, seeds = random.Random(7), target.seeds()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        feed(target, changed(chance, chance.choice(seeds)))


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_ever_found_is_taken_or_refused(name: str) -> None:
    for file in sorted((FOUND / name).glob("*")):
        feed(TARGETS[name], file.read_bytes())


def test_everything_that_was_found_belongs_to_a_target() -> None:
    assert {folder.name for folder in FOUND.glob("*") if folder.is_dir()} <= set(TARGETS)


def test_a_reader_that_lets_something_else_out_is_told() -> None:
    target = Target(lambda data: {b"": 1}[data], ValueError, lambda: [b""])
    assert target.feed(b"")
    with pytest.raises(KeyError):
        target.feed(b"x")


def test_a_target_that_is_not_there_is_told_which_are() -> None:
    command = [sys.executable, "-m", "tests.abuse.fuzz", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the targets are json-get, " in done.stderr
