"""Modems with identity keys of their own, for claims: what a factory knows of them, and what they say."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devices.models import IdentityKey
from tests.pki import make

FIRMWARE = UUID("1aff3acb-f1a6-4764-a263-4c2646c1c654")


@dataclass(frozen=True)
class Modem:
    """`uuid` is what its tokens say, `key` what signs them."""

    uuid: UUID = field(default_factory=uuid4)
    key: EllipticCurvePrivateKey = field(default_factory=make.p256, repr=False)

    @property
    def id(self) -> str:
        return str(self.uuid)

    @property
    def token(self) -> str:
        return self.signed_by(self.key)

    @property
    def pem(self) -> str:
        return make.public_pem(self.key)

    @property
    def der(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def signed_by(self, key: EllipticCurvePrivateKey) -> str:
        """A token of this device that another key signed."""
        return make.attestation(key, make.identity(self.uuid, firmware_id=FIRMWARE))


def modem() -> Modem:
    """One that nobody knows."""
    return Modem()


def known() -> Modem:
    """One whose identity key was imported."""
    made = Modem()
    IdentityKey.objects.create(device_id=made.uuid, public_key=made.pem)
    return made


def rows(*modems: Modem, tags: str = "") -> str:
    """A body for bulk claims, as nRF Cloud's client writes it."""
    more = f',"{tags}"' if tags else ""
    return "".join(f'"{modem.token}"{more}\n' for modem in modems)
