"""Why a device stands where it stands: `commands.explain`, told to one who has buttons and not REST."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.conf import settings

from commands.explain import Explanation, Facts, explain
from commands.models import Command
from commands.status import Run
from devices import timeline
from devices.models import Device, TimelineEntry

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
    return explain(run, _facts(device))


def told(sentence: str) -> str:
    """The sentence with the names of this page's buttons where it names REST calls."""
    return _CALL.sub(_button, sentence)


def _button(found: re.Match[str]) -> str:
    return f"{found[1] or 'press '}“{_BUTTONS[found[2]]}”"


def _facts(device: Device) -> Facts:
    blocks = TimelineEntry.objects.filter(
        device=device, kind=timeline.Kind.CHANGED.value, data__what="blocked"
    ).order_by("-id")
    ends = Command.objects.filter(device=device, position=device.closed_through)
    return Facts(
        device.id,
        f"{settings.KEYSEED_MQTT_ROOT}/{device.id}/json/get",
        device.claimed_at,
        device.last_seen_at,
        device.credentials.exists(),
        blocks.values_list("at", flat=True).first() if device.blocked else None,
        ends.values_list("closed_at", flat=True).first(),
    )
