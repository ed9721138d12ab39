"""An operator sees which certificates a device has and takes them back."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from devices import credentials
from devices.models import Credential, Device, RevokedCertificate
from tests.admin import people
from tests.admin.people import DEVICES, Operator
from tests.pki.make import request


def certified(device: Device) -> Credential:
    csr = request().public_bytes(Encoding.PEM).decode()
    with transaction.atomic():
        return credentials.add_certificate(device.tenant_id, device.id, csr, 30, 0, "ann").credential


def test_a_certificate_is_listed_by_its_serial_number_and_end(anna: Operator) -> None:
    device = people.device()
    made = certified(device)
    text = people.text(anna.see(people.page(device)))
    assert made.expires_at
    assert made.serial in text
    assert f"{made.expires_at:%Y-%m-%d %H:%M:%S}" in text


def test_a_certificate_is_revoked(anna: Operator) -> None:
    device = people.device()
    made = certified(device)
    (message,) = anna.press(f"{DEVICES}{device.id}/credentials/{made.id}/revoke/")
    assert message.endswith("is revoked.")
    assert not Credential.objects.exists()
    assert RevokedCertificate.objects.get().serial == made.serial
    assert people.outbox(device) == ["credentials", "kick"]
