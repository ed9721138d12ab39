"""Searches for secrets in any form in which one is carried. A search that finds nothing proves it can find."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

LEAST = 10
"""Bytes of a form below which it would be found by chance."""


def forms(secret: str) -> set[bytes]:
    """The secret as it is, in hexadecimal, percent-encoded, and in base64 at any place of a longer text."""
    data = secret.encode()
    found = {data, data.lower(), data.hex().encode(), data.hex().upper().encode()}
    found |= {quote(secret, safe="").encode(), quote_plus(secret).encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + data)
        # The first and the last digits also carry bits of what stands before and behind.
        core = text[4 if shift else 0 : -4]
        found |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    return {form for form in found if len(form) >= LEAST}


class Search:
    """`planted` are secrets by the door through which they came.

    `places`: what was searched, and how much of it. `found`: place and door of each that was there.
    """

    def __init__(self, planted: Mapping[str, str]) -> None:
        self._forms = [(door, form) for door, secret in planted.items() for form in sorted(forms(secret))]
        self.places: dict[str, int] = {}
        self.hits: list[str] = []
        self.found: set[tuple[str, str]] = set()

    def look(self, place: str, data: bytes | str) -> None:
        """Notes every door whose secret is in `data`."""
        held = data.encode(errors="replace") if isinstance(data, str) else data
        self.places[place] = self.places.get(place, 0) + len(held)
        for door, form in self._forms:
            at = held.find(form)
            if at >= 0:
                self.found.add((place, door))
                near = bytes(held[max(0, at - 60) : at]).decode(errors="replace")
                self.hits.append(f"{place}: {door}, after {near!r}")

    def look_below(self, place: str, folder: Path) -> None:
        """The same in every file below a folder."""
        for path in _files(folder):
            self.look(place, path.read_bytes())


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())
