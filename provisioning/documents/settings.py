"""docs/settings.md, from the variables of config/environment.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from provisioning.documents.markdown import code, page, table


class Variable(Protocol):
    """What is told of an environment variable: `default` as one would write it, empty if there is none."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> type: ...
    @property
    def default(self) -> str: ...
    @property
    def about(self) -> str: ...


TYPES: Mapping[type, str] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    list: "list, comma-separated",
}

TEXT = """\
# Settings

Keyseed is set up by environment variables and by nothing else. `manage.py standalone` needs none of them.
`manage.py check --deploy` says which are missing or dangerous before anything starts.

Each may also be given as its name with `_FILE` behind it: the path of a file that holds the value. That
keeps secrets out of process lists and container descriptions.

$variables
"""


def document(variables: Sequence[Variable]) -> str:
    """The page of settings."""
    header = ["variable", "value", "default", "what it is for"]
    return page(TEXT, variables=table(header, [_row(variable) for variable in variables]))


def _row(variable: Variable) -> list[str]:
    return [code(variable.name), TYPES[variable.type], code(variable.default) or "none", variable.about]
