"""A device as its owner sees it: its address in REST, its secret, its list."""

import time
from dataclasses import dataclass
from typing import Any

from tests.standalone.board import Board, Refused
from tests.standalone.rest import Owner

FINISHED: dict[str, Any] = {"finished": {}}
SECRET = "000102030405060708090a0b0c0d0e0f"


def config(name: str = "a", value: str = "b") -> dict[str, Any]:
    """The smallest harmless command."""
    return {"config": {name: value}}


def key_generation(tag: int = 1) -> dict[str, Any]:
    """A command that makes a key."""
    return {"clientPrivateKeyGeneration": {"secTag": tag}}


def preshared(tag: int = 1, secret: str = SECRET) -> dict[str, Any]:
    """A command with a secret."""
    return {"preSharedKey": {"secTag": tag, "identity": "pump", "secret": secret}}


@dataclass(frozen=True, slots=True)
class Device:
    """A device, by its owner's key."""

    owner: Owner
    id: str
    secret: str
    mqtt: int

    @property
    def path(self) -> str:
        """Its address."""
        return f"/v1/claimed-devices/{self.id}"

    @property
    def commands(self) -> str:
        """The address of its list."""
        return f"{self.path}/provisioning"

    def board(self, **options: Any) -> Board:
        """A connection of the device itself."""
        return Board(self.mqtt, self.id, self.secret, **options)

    def add(self, *requests: dict[str, Any]) -> list[str]:
        """Put these at the end of its list; their command ids."""
        body = {"commands": [{"request": request} for request in requests]}
        made = self.owner.post(f"{self.commands}/batch", body).made()
        return [command["id"] for command in made["items"]]

    def act(self, command: str, what: str, body: Any = None) -> Any:
        """`reset` or `skip` a command: the answer."""
        return self.owner.post(f"{self.commands}/{command}/{what}", body)

    def read(self) -> dict[str, Any]:
        """The device object."""
        return dict(self.owner.get(self.path).made())

    @property
    def status(self) -> str:
        """Its status now."""
        return str(self.read()["status"])

    def listed(self, **query: Any) -> list[dict[str, Any]]:
        """Its commands."""
        return self.owner.all(self.commands, **query)

    def command(self, id: str) -> dict[str, Any]:
        """One command."""
        return dict(self.owner.get(f"{self.commands}/{id}").made())

    def states(self, *ids: str) -> list[str]:
        """The states of these commands."""
        return [self.command(id)["status"] for id in ids]


def define(owner: Owner, mqtt: int, **fields: Any) -> Device:
    """A new device with a password."""
    made = owner.post("/v1/claimed-devices", fields).made()
    credential = owner.post(f"/v1/claimed-devices/{made['id']}/credentials", {"kind": "password"}).made()
    return Device(owner, made["id"], credential["secret"], mqtt)


def until_let_in(device: Device, seconds: float = 3.0) -> Board:
    """A board that is signed in and stays so.

    A change of a device ends its sessions a moment later, and may end one that began in that moment.
    """
    end = time.monotonic() + seconds
    while True:
        board = device.board()
        try:
            board.connect(subscribe=False)
            if board.wait_until_lost(0.2) is None:
                assert board.subscribe(f"prov/v1/{device.id}/#") == [1]
                return board
        except Refused:
            pass
        assert time.monotonic() < end
        board.close()
