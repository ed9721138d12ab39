"""Storage of tenants, API keys and answers to requests with an Idempotency-Key. No rules, no effects."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from tenants.roles import Role


class Tenant(models.Model):
    """A fleet's home. Nothing of one tenant is visible to another.

    `rules_version` counts what made provisioning rules apply to more devices: a device that has seen less is to be
    looked at again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sandbox = models.BooleanField(
        default=False,
        help_text="Its devices may be claimed without a verified signature, whoever they belong to.",
    )
    jwt_without_expiry = models.BooleanField(
        "JWT without expiry",
        default=False,
        help_text="Devices may sign in by tokens with neither exp nor iat.",
    )
    jwt_audience_required = models.BooleanField(
        "JWT audience required", default=False, help_text="Tokens without aud are refused."
    )
    rules_version = models.PositiveIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return self.name


class APIKey(models.Model):
    """A key for REST. Only its SHA-256 is stored: the keys we make hold 160 random bits, so no salt is needed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="api_key_role_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class IdempotentAnswer(models.Model):
    """What a POST with an Idempotency-Key made, for 24 hours; never a secret."""

    tenant = models.ForeignKey(Tenant, models.CASCADE)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=200)
    body_mac = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    made = models.JSONField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "route", "key"], name="one_answer_a_key")
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
