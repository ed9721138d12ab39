"""Addresses of a device's list, of what is done to a device through it, and of rules, below /v1/."""

from django.urls import path

from commands.api import (
    Batch,
    Block,
    Commands,
    Explain,
    OneCommand,
    ResetOne,
    ResetRun,
    Skip,
    Unblock,
)
from commands.rule_api import OneRule, Preview, ProvisioningTags, Rules

_LIST = "claimed-devices/<id:device_id>/provisioning"
_ONE = f"{_LIST}/<id:command_id>"

# The two words before the ids: `<id:…>` takes any word, to answer it as an object that does not exist.
urlpatterns = [
    path("claimed-devices/<id:device_id>/block", Block.as_view(), name="block"),
    path("claimed-devices/<id:device_id>/unblock", Unblock.as_view(), name="unblock"),
    path("claimed-devices/<id:device_id>/explain", Explain.as_view(), name="explain"),
    path(_LIST, Commands.as_view(), name="commands"),
    path(f"{_LIST}/batch", Batch.as_view(), name="batch"),
    path(f"{_LIST}/reset", ResetRun.as_view(), name="reset-run"),
    path(_ONE, OneCommand.as_view(), name="command"),
    path(f"{_ONE}/reset", ResetOne.as_view(), name="reset"),
    path(f"{_ONE}/skip", Skip.as_view(), name="skip"),
    path("provisioning-rules", Rules.as_view(), name="rules"),
    path("provisioning-rules/<id:rule_id>", OneRule.as_view(), name="rule"),
    path("provisioning-rules/<id:rule_id>/preview", Preview.as_view(), name="preview"),
    path("provisioning/tags", ProvisioningTags.as_view(), name="tags"),
]
