"""nRF Cloud's other way to tell of a device: its certificate, which here gives it the certificate's key.

Source: docs/nrf-cloud.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction

from devices import credentials, services, store
from devices.claiming import Failed
from devices.models import Device
from devices.serializers import TAGS_MOST
from pki import certificates, keys
from pki.errors import UNREADABLE, Invalid
from tenants import ids
from tenants.errors import Refusal, invalid

OVERLAP = 24 * 3600
"""Seconds for which the device's old key stays beside the certificate's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row: which device, the tags it gets, and its certificate as PEM."""

    row: int
    device: str
    tags: Sequence[str]
    certificate: str = field(repr=False)


def onboard(tenant_id: UUID, wanted: Sequence[Wanted], by: str) -> list[Failed]:
    """Takes every row that can be taken, each whole or not at all; what is wrong with the others."""
    failed: list[Failed] = []
    found: list[tuple[Wanted, Device, str]] = []
    for one in wanted:
        try:
            found.append((one, _find(tenant_id, one.device), _key(one.certificate)))
        except Refusal as refusal:
            failed.append(Failed(one.row, refusal))
    with transaction.atomic():
        # All at once, in the order that everybody keeps to.
        store.lock({device.id for _, device, _ in found})
        for one, device, key in found:
            try:
                with transaction.atomic():
                    _take(tenant_id, device.id, one, key, by)
            except Refusal as refusal:
                failed.append(Failed(one.row, refusal))
    return failed


def _take(tenant_id: UUID, device_id: UUID, one: Wanted, key: str, by: str) -> None:
    device = store.find(tenant_id, device_id)
    had = [tag.tag for tag in device.tags.all()]
    tags = list(dict.fromkeys([*had, *one.tags]))
    if len(tags) > TAGS_MOST:
        raise invalid("tags", f"A device has at most {TAGS_MOST} tags; with these it had {len(tags)}.")
    fields = {} if device.name or one.device == str(device.id) else {"name": one.device}
    if fields or tags != had:
        services.change(tenant_id, device.id, fields, tags if tags != had else None, by)
    credentials.add_public_key(tenant_id, device.id, key, OVERLAP, by)


def _find(tenant_id: UUID, text: str) -> Device:
    """The tenant's device of this id, serial number, IMEI or name, the first of these that fits. Raises `Refusal`."""
    own = Device.objects.filter(tenant_id=tenant_id)
    ways: list[tuple[str, object]] = [("serial_number", text), ("imei", text), ("name", text)]
    if (id := ids.read(text)) is not None:
        ways.insert(0, ("id", id))
    for column, value in ways if text else ():
        found = list(own.filter(**{column: value})[:2])
        if len(found) > 1:
            raise Refusal(
                "CONFLICT", f"Several of your devices have the {column} {text!r}: use the device's id."
            )
        if found:
            return found[0]
    raise Refusal(
        "NOT_FOUND",
        f"You have no device whose id, serial number, IMEI or name is {text[:100]!r}. Claim or define it first.",
    )


def _key(pem: str) -> str:
    """The public key of the first certificate, PEM. Raises `Refusal`."""
    try:
        key = keys.check(certificates.read(pem)[0].public_key())
    except Invalid as wrong:
        raise invalid("certificate", wrong.reason) from None
    except UNREADABLE:
        raise invalid(
            "certificate", f"Its public key cannot be read. Use one that is {keys.ALLOWED}."
        ) from None
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
