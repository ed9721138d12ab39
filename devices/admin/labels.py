"""The words that operators read have one colour each."""

from __future__ import annotations

from collections.abc import Mapping

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

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
