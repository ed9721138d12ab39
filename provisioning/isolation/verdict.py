"""Whether two answers are the same, and what a list must not hold. Values only."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

VOLATILE = frozenset({"date", "content-length", "connection", "keep-alive", "server", "x-request-id"})
"""Headers that differ from answer to answer, whoever asks; a length is told by the body itself."""

RATIO = (0.67, 1.5)
"""Between these two the medians of two times are the same."""

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


class Verdict(StrEnum):
    """What a row of the table says. `UNPROVEN`: nothing leaked, but the question was not one that proves it."""

    CLOSED = "closed"
    OPEN = "open, as it should be"
    UNPROVEN = "not proven"
    LEAK = "LEAK"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was asked by whom, the answer's status, the verdict and why."""

    name: str
    who: str
    asked: str
    status: int
    verdict: Verdict
    why: str = ""

    @property
    def bad(self) -> bool:
        """Whether the proof fails with it."""
        return self.verdict in (Verdict.LEAK, Verdict.UNPROVEN)


def scrubbed(answer: Answer, sent: Iterable[str]) -> tuple[int, bytes, Sequence[tuple[str, str]]]:
    """The answer without what was sent and what no two answers share."""
    content = answer.content
    for text in sorted(sent, key=len, reverse=True):
        content = content.replace(text.encode(), b"SENT")
    headers = sorted((name, text) for name, text in answer.headers.items() if name not in VOLATILE)
    return answer.status, content, headers


def anonymous(content: bytes) -> bytes:
    """The content without any id or time: what two objects of one shape have in common."""
    return _TIME.sub(b"TIME", _ID.sub(b"ID", content))


def difference(foreign: Answer, nobodys: Answer, sent: Collection[str], never: Collection[str]) -> str:
    """In what the answer about a foreign thing differs from that about one that never was; empty if in nothing."""
    one, other = scrubbed(foreign, sent), scrubbed(nobodys, never)
    if one[0] != other[0]:
        return f"{one[0]}, but {other[0]} for ids that never were"
    if one[1] != other[1]:
        return "its body differs from that for ids that never were"
    if one[2] != other[2]:
        return "its headers differ from those for ids that never were"
    return ""


def shown(answer: Answer, secrets: Iterable[str], sent: Collection[str] = ()) -> str:
    """Which of these texts the answer holds that were not sent; empty if none."""
    for text in secrets:
        if text not in sent and text.encode() in answer.content:
            return f"it holds {text}"
    return ""


def same_time(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether the medians are as good as equal."""
    one, other = statistics.median(ours), statistics.median(theirs)
    return RATIO[0] <= one / max(other, 1e-9) <= RATIO[1]
