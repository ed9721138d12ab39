"""Why a device stands where it stands: `commands.explain`, told to one who has buttons and not REST."""

from __future__ import annotations

import re
from collections.abc import Mapping

from commands.explain import Explanation, explain
from commands.facts import facts
from commands.status import Run
from devices.models import Device

_CALL = re.compile(
    r"(with |by )?POST …/(?:provisioning/)?(?:[0-9a-f-]{36}/)?(reset|skip|unblock|credentials)"
)
_BUTTONS: Mapping[str, str] = {
    "reset": "Reset",
    "skip": "Skip",
    "unblock": "Unblock",
    "credentials": "New password",
}


def explained(device: Device, run: Run) -> Explanation:
    """The explanation that REST gives too."""
    return explain(run, facts(device))


def told(sentence: str) -> str:
    """The sentence with the names of this page's buttons where it names REST calls."""
    return _CALL.sub(_button, sentence)


def _button(found: re.Match[str]) -> str:
    return f"{found[1] or 'press '}“{_BUTTONS[found[2]]}”"
