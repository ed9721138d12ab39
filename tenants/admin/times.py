"""Times have one form on every page: UTC, to the second, and how long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

NEVER = format_html("<span class='ks-dim'>{}</span>", "–")


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
