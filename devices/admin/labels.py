"""The words that operators read have one colour each, and times one form: UTC, and how long ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.template.loader import render_to_string
from django.utils import timezone
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

NEVER = format_html("<span class='ks-dim'>{}</span>", "–")


def label(text: str, colours: Mapping[str, str]) -> SafeString:
    """The word in its colour."""
    variant = colours.get(text, "default")
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant})


def moment(at: datetime | None) -> SafeString:
    """Date and time, and below them how long ago; a dash for never."""
    return NEVER if at is None else _time(at, f"{at:%Y-%m-%d %H:%M:%S}", _ago(at))


def clock(at: datetime | None) -> SafeString:
    """The time, and below it the date, where there is less room; a dash for never."""
    return NEVER if at is None else _time(at, f"{at:%H:%M:%S}", f"{at:%Y-%m-%d}")


def _time(at: datetime, first: str, second: str) -> SafeString:
    exact = f"{at:%Y-%m-%d %H:%M:%S.%f} UTC, {_ago(at)}"
    return format_html(
        "<time datetime='{}' title='{}'>{}<small class='ks-dim'>{}</small></time>",
        at.isoformat(),
        exact,
        first,
        second,
    )


def _ago(at: datetime) -> str:
    return "just now" if timezone.now() - at < timedelta(minutes=1) else f"{timesince(at, depth=1)} ago"
