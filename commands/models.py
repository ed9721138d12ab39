"""Storage of command lists, and of the rules that fill them. No logic: a state changes in `commands.machine`.

What `commands.machine` decides is written by `commands.store`, and by nobody else.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from commands.catalogue import TYPES
from commands.machine import State
from devices.models import Device
from tenants.models import Tenant

STATES = [state.value for state in State]


class ProvisioningTag(models.Model):
    """A tag that its tenant describes. Devices and rules may carry others, too."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    tag = models.CharField(max_length=100)
    description = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "tag"], name="one_description_a_tag")
        ]

    def __str__(self) -> str:
        return self.tag


class Rule(models.Model):
    """Commands for every device of the tenant that has all its tags, once a claim, at its next contact.

    `activated_at` is when it first became active: from then on tags and commands are fixed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="rules", db_index=False)
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_rule_a_name"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "created_at", "id"], name="rule_page")]

    def __str__(self) -> str:
        return self.name


class RuleTag(models.Model):
    """One of the tags that a device must have."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="tags")
    tag = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["rule", "tag"], name="one_tag_a_rule")]

    def __str__(self) -> str:
        return self.tag


class RuleCommand(models.Model):
    """One command of a rule, in order of `place`; texts of `request` may name fields of the device.

    `request` and `secrets` are as those of `Command`.
    """

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="commands")
    place = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=40, choices=[(name, name) for name in TYPES])
    description = models.CharField(max_length=200, blank=True)
    request = models.JSONField()
    secrets = models.TextField(null=True)  # noqa: DJ001 - NULL says that there are none
    issue = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "place"], name="one_rule_command_a_place")
        ]

    def __str__(self) -> str:
        return f"{self.place} {self.type}"


class RuleMark(models.Model):
    """That a rule was given to a device; it goes with the claim."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="marks", db_index=False)
    device = models.ForeignKey(Device, models.CASCADE, related_name="rule_marks", db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "rule"], name="one_mark_a_device_and_rule")
        ]
        indexes: ClassVar = [models.Index(fields=["rule"], name="marks_of_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.device_id}"


class Command(models.Model):
    """One command of a device's list, in order of (position, part); part 1 is a certificate issued for part 0.

    `request` holds masked secrets, `secrets` the sealed ones until the device confirmed. `error` is
    {code, message, detail}. All but `description`, `request` and `issue` belong to the machine.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, models.CASCADE, related_name="commands", db_index=False)
    position = models.PositiveIntegerField()
    part = models.PositiveSmallIntegerField(default=0)
    type = models.CharField(max_length=40, choices=[(name, name) for name in TYPES])
    description = models.CharField(max_length=200, blank=True)
    request = models.JSONField()
    secrets = models.TextField(null=True)  # noqa: DJ001 - NULL says that there are none any more
    issue = models.JSONField(null=True)
    status = models.CharField(max_length=12, default=State.PENDING.value)
    attempt = models.PositiveIntegerField(default=0)
    deliveries = models.PositiveIntegerField(default=0)
    response = models.JSONField(null=True)
    error = models.JSONField(null=True)
    digest = models.CharField(max_length=32, null=True)  # noqa: DJ001 - NULL says that there is no result
    created_at = models.DateTimeField()
    served_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["device", "position", "part"], name="one_command_a_position"),
            models.CheckConstraint(condition=models.Q(status__in=STATES), name="command_status_known"),
        ]
        indexes: ClassVar = [
            # No column of it changes while a command is served and answered: such an update touches no index.
            models.Index(
                fields=["created_at"], condition=models.Q(secrets__isnull=False), name="commands_with_secrets"
            )
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.type}"
