"""Storage of devices and what hangs on them. No rules, no effects: those are in services and below.

Who changes a device's list, blocked flag, tags or credentials holds its row first (`devices.store.lock`).
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from devices.status import Ownership, ProvisioningState, Status
from tenants.models import Tenant


class Device(models.Model):
    """One device of one tenant.

    `status` and `pending` are computed from the command list and stored beside it for filtering.
    `closed_through` is the position of the last `finished` that SUCCEEDED. `next_get_at` is the throttle's
    memory, `notified_at` the last wake-up. `proved_at` is when an unproven device first signed in with what its owner
    gave it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="devices", db_index=False)
    name = models.CharField(max_length=100, blank=True)
    serial_number = models.CharField(max_length=100, blank=True)
    device_type = models.CharField(max_length=50, blank=True)
    firmware_id = models.CharField(max_length=50, blank=True)
    imei = models.CharField(max_length=20, blank=True)
    ownership_status = models.CharField(
        max_length=20,
        default=Ownership.DEFINED.value,
        choices=[(o.value, o.value) for o in Ownership],
        editable=False,
    )
    proved_at = models.DateTimeField(null=True, editable=False)
    provisioning_state = models.CharField(
        max_length=12,
        default=ProvisioningState.DEFINED.value,
        choices=[(s.value, s.value) for s in ProvisioningState],
        editable=False,
    )
    template_id = models.UUIDField(null=True, blank=True)
    vendor_id = models.CharField(max_length=100, blank=True)
    class_id = models.CharField(max_length=100, blank=True)
    group = models.CharField(max_length=100, blank=True)
    claimed_at = models.DateTimeField(auto_now_add=True)
    blocked = models.BooleanField(default=False, editable=False)
    status = models.CharField(
        max_length=12,
        default=Status.READY.value,
        choices=[(s.value, s.value) for s in Status],
        editable=False,
    )
    pending = models.PositiveIntegerField(default=0, editable=False)
    closed_through = models.PositiveIntegerField(default=0, editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_get_at = models.DateTimeField(null=True, editable=False)
    notified_at = models.DateTimeField(null=True, editable=False)
    rules_seen = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in Status]), name="device_status_known"
            ),
            models.UniqueConstraint(
                fields=["tenant", "serial_number"],
                condition=~models.Q(serial_number=""),
                name="one_device_a_serial_number",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "claimed_at", "id"], name="device_page"),
            models.Index(fields=["tenant", "status", "claimed_at", "id"], name="device_page_of_status"),
            models.Index(fields=["status", "claimed_at", "id"], name="device_page_of_operators"),
            models.Index(fields=["claimed_at", "id"], name="device_page_of_all"),
            # Serve equality and prefixes, whatever the collation.
            models.Index(fields=["name"], name="device_name", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["serial_number"], name="device_serial", opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return self.name or self.serial_number or str(self.id)


class Tag(models.Model):
    """A free text on a device, for filters and rules."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="tags", db_index=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    tag = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["device", "tag"], name="one_tag_a_device")]
        indexes: ClassVar = [models.Index(fields=["tenant", "tag", "device"], name="tagged_devices")]

    def __str__(self) -> str:
        return self.tag


class Credential(models.Model):
    """How a device proves who it is. `digest` holds a password's hash; a public key is no secret.

    `made_by_device`: a key that the device made on `cloudAccessKeyGeneration`, not one that its owner gave.
    `certificate` is PEM that the installation's device CA issued, `serial` its number in lower-case hexadecimal.
    """

    class Kind(models.TextChoices):
        PASSWORD = "password"  # noqa: S105 - the kind's name
        PUBLIC_KEY = "publicKey"
        CERTIFICATE = "certificate"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    device = models.ForeignKey(Device, models.CASCADE, related_name="credentials", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    digest = models.CharField(max_length=200, blank=True, editable=False)
    public_key = models.TextField(blank=True)
    made_by_device = models.BooleanField(default=False, editable=False)
    certificate = models.TextField(blank=True)
    serial = models.CharField(max_length=40, blank=True, db_index=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["device", "kind"], name="credentials_of_device")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.created_at:%Y-%m-%d}"


class IdentityKey(models.Model):
    """A device's own public key, from its maker: it signs attestation tokens and JWTs. Belongs to no tenant.

    `learnt`: recovered from the first token of a device instead of imported; two of these may stand for one device
    until its next token says which.
    """

    device_id = models.UUIDField(db_index=True)
    public_key = models.TextField()
    learnt = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["device_id"], condition=models.Q(learnt=False), name="one_imported_key_a_device"
            )
        ]

    def __str__(self) -> str:
        return f"identity key of {self.device_id}"


class DeviceCA(models.Model):
    """The one CA that a broker trusts which knows a device by its certificate's CN only. `private_key` is sealed.

    `crl_number` counts its revocation lists. The newest that has not ended issues.
    """

    certificate = models.TextField()
    private_key = models.TextField(editable=False)
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    crl_number = models.PositiveIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return f"device CA of {self.created_at:%Y-%m-%d}"


class RevokedCertificate(models.Model):
    """A certificate of the device CA that opens nothing any more; kept until it would have expired."""

    serial = models.CharField(max_length=40, unique=True)
    device_id = models.UUIDField()
    revoked_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.serial


class BulkRequest(models.Model):
    """What became of a bulk request, for whoever asks by its id. `result` is what a direct call answers."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    endpoint = models.CharField(max_length=40)
    status = models.CharField(max_length=20)
    result = models.JSONField()
    requested_at = models.DateTimeField()
    completed_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.endpoint} {self.requested_at:%Y-%m-%d %H:%M}"


class TimelineEntry(models.Model):
    """One thing that happened to a device. Equal refusals of one minute share a row: `fold` names them."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="timeline", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    command_id = models.UUIDField(null=True)
    data = models.JSONField(default=dict)
    fold = models.CharField(max_length=60, null=True)  # noqa: DJ001 - NULLs differ from each other, '' does not
    count = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name_plural = "timeline entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["device", "fold"], condition=models.Q(fold__isnull=False), name="one_row_a_fold"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["device", "id"], name="timeline_page")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"


class OutboxRow(models.Model):
    """Something that must happen outside, written in the transaction that calls for it; gone once it is done.

    `secret`, sealed, is what a broker has to be told that cannot take a hash.
    """

    kind = models.CharField(max_length=20)
    device_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    secret = models.TextField(blank=True, editable=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["device_id", "kind"], name="outbox_of_device")]

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id or ''}"
