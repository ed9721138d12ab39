"""A simulated modem in its file, the service that it belongs to, and the eyes of its owner."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioning.simulator.connection import broker
from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import Summary, Transport, run
from provisioning.simulator.nordic_codec import Settings
from provisioning.simulator.nordic_http import HttpTransport, Signer
from provisioning.simulator.nordic_mqtt import MqttTransport
from tests.standalone.fleet import Device
from tests.standalone.installation import Installation
from tests.standalone.rest import Owner

TAG = 16842753
"""The slot that nrfcloud-utils uses unless it is told another."""

ROOMY = Settings(rx=2560, tx=2560, at_cmd_len=2048, pace=0.02)
"""The largest buffers of Nordic's own applications."""

CLAIMED = "/v1/claimed-devices"


@dataclass(frozen=True, slots=True)
class Unit:
    """One modem, whose identity key its owner may have imported."""

    state: Path
    modem: Modem
    service: Installation
    owner: Owner

    @property
    def url(self) -> str:
        """Where the service is."""
        return address(self.service)

    @property
    def device(self) -> Device:
        """As its owner sees it."""
        return Device(self.owner, self.modem.id, "", self.service.mqtt)

    def claim(self, *tags: str) -> dict[str, Any]:
        """Claims it: the device object."""
        body = {"claimToken": self.modem.attestation_token(), "tags": list(tags)}
        return dict(self.owner.post(CLAIMED, body).made())

    def over(self, name: str) -> Transport:
        """`http` or `mqtt`, signed in with tokens that the identity key signs."""
        return self.http() if name == "http" else self.mqtt()

    def http(self, signer: Signer | None = None) -> HttpTransport:
        """Its way to the service over HTTP."""
        return HttpTransport(self.url, signer or self.modem)

    def mqtt(self) -> MqttTransport:
        """The same over MQTT."""
        return MqttTransport(broker(f"mqtt://127.0.0.1:{self.service.mqtt}"), self.modem.id, self.modem.jwt)

    def pull(self, settings: Settings = ROOMY, over: str = "http") -> Summary:
        """One boot of the device: until there is nothing to do, or it has finished."""
        return run(self.modem, self.over(over), settings)

    def saved(self) -> Modem:
        """What is in its file now, whoever wrote it."""
        return Modem.load(self.state)


@dataclass(frozen=True, slots=True)
class CloudKey:
    """Signs tokens with the key that the modem made for the cloud."""

    modem: Modem
    tag: int = TAG

    def jwt(self) -> str:
        return self.modem.jwt(key_tag=self.tag)


def address(service: Installation) -> str:
    """The service's."""
    return f"http://127.0.0.1:{service.http}"


def make(folder: Path, service: Installation, owner: Owner, **options: Any) -> Unit:
    """A new modem, of which the service knows nothing; options are `Modem.make`'s."""
    modem = Modem.make(**options)
    unit = Unit(folder / f"{modem.id}.json", modem, service, owner)
    modem.save(unit.state)
    return unit


def introduce(owner: Owner, units: Iterable[Unit]) -> None:
    """Imports their identity keys in one request, as rows of CSV."""
    rows = [f'{unit.modem.id},"{unit.modem.identity_public_key().strip()}"\n' for unit in units]
    text = "".join(rows).encode()
    made = owner.send("POST", "/v1/identity-keys", text, {"Content-Type": "text/csv"}).made()
    assert (len(made["importedIds"]), made["failed"]) == (len(rows), [])
