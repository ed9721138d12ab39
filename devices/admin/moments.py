"""A device's timeline in sentences, newest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.safestring import SafeString

from devices.admin.labels import KIND, label
from devices.models import Device, TimelineEntry
from devices.timeline import Kind

MOST = 100


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry; `command` names the command that it is about, if it is about one."""

    at: datetime
    kind: SafeString
    text: str
    command: str
    count: int


def read(device: Device, named: Mapping[UUID, str]) -> Sequence[Moment]:
    """The newest `MOST` entries; `named` says what to call a command."""
    entries = TimelineEntry.objects.filter(device=device).order_by("-id")[:MOST]
    return [_moment(entry, named) for entry in entries]


def _moment(entry: TimelineEntry, named: Mapping[UUID, str]) -> Moment:
    command = "" if entry.command_id is None else named.get(entry.command_id, f"command {entry.command_id}")
    return Moment(entry.at, label(entry.kind, KIND), _text(entry.kind, entry.data), command, entry.count)


def _text(kind: str, data: Mapping[str, object]) -> str:
    match kind:
        case Kind.SERVED if isinstance(names := data.get("commands"), list):
            return f"{_many(len(names), 'command')} served, {data.get('pending', 0)} more waiting"
        case Kind.ANSWERED if isinstance(words := data.get("results"), Mapping):
            return _answered(words, data)
        case Kind.CHANGED if "what" in data:
            return _changed(data)
        case Kind.REFUSED if "code" in data:
            return f"{data['code']}: {data.get('message', '')}"
    return _pairs(data)


def _answered(words: Mapping[str, object], data: Mapping[str, object]) -> str:
    counted = ", ".join(f"{count} {word}" for word, count in Counter(map(str, words.values())).items())
    error = f" – {data['error']}" if data.get("error") else ""
    return f"{_many(len(words), 'result')}: {counted}; the device is {data.get('status')}{error}"


def _changed(data: Mapping[str, object]) -> str:
    more = {name: value for name, value in data.items() if name not in ("what", "by", "commands")}
    commands = data.get("commands")
    what = f"{data['what']} {_many(len(commands), 'command')}" if isinstance(commands, list) else data["what"]
    return f"{what} by {data.get('by', 'Keyseed')}" + (f" ({_pairs(more)})" if more else "")


def _pairs(data: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in data.items()
    )


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
