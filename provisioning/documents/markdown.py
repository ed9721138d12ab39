"""Markdown out of values: what goes into the pages where they leave a `$place` for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import Template

NOTICE = "<!-- Made from the code by `manage.py docs`. What is changed here is lost: change the code. -->"


def page(text: str, **places: object) -> str:
    """A whole document from its text. Raises KeyError for a place that is not filled."""
    title, _, rest = Template(text).substitute(places).strip().partition("\n")
    return f"{title}\n\n{NOTICE}\n{rest}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may hold anything but line breaks."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """A word of code; nothing for nothing."""
    return f"`{text}`" if text else ""
