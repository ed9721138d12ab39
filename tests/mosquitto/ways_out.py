"""What an owner does that ends a device's session, on whatever broker."""

from __future__ import annotations

from typing import Any, Protocol

from django.db import transaction

from commands import services
from devices import credentials
from devices import services as device_services
from devices.models import Credential
from tests.pipeline.cast import WHO, Device


class Owned(Protocol):
    """A device that has a password."""

    @property
    def device(self) -> Device: ...

    def renewed(self) -> Any:
        """With the new password that its owner makes now."""


def block(owned: Owned) -> None:
    services.block(owned.device.tenant_id, owned.device.id, WHO)


def delete(owned: Owned) -> None:
    device_services.delete(owned.device.tenant_id, owned.device.id)


def revoke(owned: Owned) -> None:
    newest = Credential.objects.filter(device_id=owned.device.id).latest("created_at")
    with transaction.atomic():
        credentials.revoke(owned.device.tenant_id, owned.device.id, newest.id, WHO)


def renew(owned: Owned) -> None:
    owned.renewed()
