"""The documents that are made from the code, so that they cannot say anything else than it. Pure: text out.

Each module makes one of them; `manage.py docs` writes them and says which ones are stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioning.documents import command_types, errors, settings, state_machine
from provisioning.documents.settings import Variable


def every(variables: Sequence[Variable]) -> Mapping[str, str]:
    """The text of each document by its path below the project's folder; `variables` are those of settings."""
    return {
        "docs/commands.md": command_types.document(),
        "docs/errors.md": errors.document(),
        "docs/settings.md": settings.document(variables),
        "docs/state-machine.md": state_machine.document(),
    }
