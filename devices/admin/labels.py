"""The words that operators read have one colour each, and times one form: UTC, and how long ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from devices.status import Status
from devices.timeline import Kind

STATUS: Mapping[str, str] = {
    Status.READY: "default",
    Status.PROVISIONING: "info",
    Status.AWAITING: "warning",
    Status.PROVISIONED: "success",
    Status.ERROR: "danger",
    Status.BLOCKED: "primary",
}
KIND: Mapping[str, str] = {
    Kind.SERVED: "info",
    Kind.ANSWERED: "success",
    Kind.CHANGED: "primary",
    Kind.REFUSED: "warning",
}


def label(text: str, colours: Mapping[str, str]) -> SafeString:
    """The word in its colour."""
    variant = colours.get(text, "default")
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant})


def moment(at: datetime | None) -> SafeString:
    """Date and time, and below it how long ago; a dash for never."""
    if at is None:
        return format_html("<span class='ks-dim'>{}</span>", "–")
    return format_html(
        "<time datetime='{}' title='{} UTC'>{}<small class='ks-dim'>{} ago</small></time>",
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S.%f}",
        f"{at:%Y-%m-%d %H:%M:%S}",
        timesince(at, depth=1),
    )
