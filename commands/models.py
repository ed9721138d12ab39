"""Storage of command lists. No rules: a state changes in `commands.machine` and is written by `commands.store`."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from commands.catalogue import TYPES
from commands.machine import State
from devices.models import Device

STATES = [state.value for state in State]


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
