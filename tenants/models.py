"""Storage of tenants, who may do what in them, what they did, and whom they have told. No rules, no effects."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from tenants.roles import Role


class Tenant(models.Model):
    """A fleet's home. Nothing of one tenant is visible to another.

    `rules_version` counts what made provisioning rules apply to more devices: a device that has seen less is to be
    looked at again. `has_webhooks`: somebody wants to hear of its devices.
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
    has_webhooks = models.BooleanField(default=False, editable=False)

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


class Member(models.Model):
    """Somebody who may sign in to the admin and see this tenant there, as far as the role goes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="members")
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_role_a_member"),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="member_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class AuditEntry(models.Model):
    """Who did what to which object, when, from where. Rows are added and never changed, but for their seal.

    `place` and `digest` are the seal: the row's place in the chain, and the digest over the row and the one before.
    No foreign keys: what an entry speaks of may be gone.
    """

    at = models.DateTimeField()
    tenant_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=40, blank=True)
    actor = models.CharField(max_length=200)
    address = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    object_kind = models.CharField(max_length=30)
    object_id = models.CharField(max_length=40, blank=True)
    data = models.JSONField(default=dict)
    place = models.BigIntegerField(null=True, unique=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["tenant_id", "id"], name="audit_page"),
            models.Index(fields=["tenant_id", "object_id", "id"], name="audit_of_object"),
            models.Index(fields=["id"], condition=models.Q(place__isnull=True), name="audit_unsealed"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.at:%Y-%m-%d %H:%M:%S}"


class AuditHead(models.Model):
    """The end of the chain, held while it is made longer. There is one row."""

    place = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return str(self.place)


class Webhook(models.Model):
    """An address that hears of what happens to the tenant's devices. `secret` is sealed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField()
    description = models.CharField(max_length=200, blank=True)
    secret = models.TextField(editable=False)
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True, editable=False)
    pause_reason = models.CharField(max_length=300, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one webhook; gone once it was taken. `event_id` is the same at every try."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    body = models.JSONField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes: ClassVar = [models.Index(fields=["webhook", "id"], name="deliveries_of_webhook")]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M:%S}"


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
