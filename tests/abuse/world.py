"""Real things whose ids stand in the addresses that Schemathesis calls, made when they are first asked for."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.pki import make
from tests.standalone.rest import Owner

DEVICES = "/v1/claimed-devices"
PSK = {"preSharedKey": {"secTag": 7, "identity": "pump", "secret": "5ec3e7" * 6}}
CSR = {"certificateSigningRequest": {"secTag": 8, "attributes": "CN=pump", "keyUsage": "101000000"}}
WEBHOOKS_MOST = 10
REQUESTS: list[dict[str, Any]] = [{"config": {"interval": "60"}}, PSK, CSR, {"finished": {}}]


@dataclass
class World:
    """What the tenant of an owner's key has; `forget` what a call used up, and it is made anew."""

    port: int
    key: str
    ids: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The id for this path parameter. Raises KeyError where this file knows of no such thing."""
        if name not in self.ids:
            self.ids[name] = MAKERS[name](self)
        return self.ids[name]

    def forget(self, name: str) -> None:
        """With what hangs on a device, if it is one."""
        lost = ("device_id", "command_id", "credential_id") if name == "device_id" else (name,)
        for one in lost:
            self.ids.pop(one, None)

    def post(self, path: str, body: Any, kind: str = "application/json") -> Any:
        """The body of the answer. Raises AssertionError where it is a refusal."""
        raw = body if isinstance(body, str) else json.dumps(body)
        return Owner(self.port, self.key).send("POST", path, raw.encode(), {"Content-Type": kind}).made()

    @cached_property
    def board_key(self) -> Any:
        """What every device here signs in with."""
        return make.p256()

    def device_token(self) -> str:
        """The device's own key to the addresses that are for devices."""
        return make.jws(
            self.board_key, {"sub": self["device_id"], "aud": "keyseed", "exp": int(time.time()) + 600}
        )

    def device(self) -> str:
        """A device with some of everything."""
        made = self.post(DEVICES, {"name": "pump", "tags": ["pumps"]})
        path = f"{DEVICES}/{made['id']}"
        commands = [{"request": request} for request in REQUESTS]
        items = self.post(f"{path}/provisioning/batch", {"commands": commands})["items"]
        self.ids["command_id"] = items[0]["id"]
        self.ids["credential_id"] = self.post(f"{path}/credentials", {"kind": "password"})["id"]
        public = {"kind": "publicKey", "publicKey": make.public_pem(self.board_key)}
        self.post(f"{path}/credentials", public)
        return str(made["id"])

    def below_device(self, name: str) -> str:
        """The id of something that every device has."""
        self.forget("device_id")
        self.ids["device_id"] = self.device()
        return self.ids[name]

    def rule(self) -> str:
        commands = [{"request": REQUESTS[0]}]
        body = {"name": f"rule {uuid.uuid4()}", "tags": ["pumps"], "commands": commands}
        return str(self.post("/v1/provisioning-rules", body)["id"])

    def bulk(self) -> str:
        made = self.post(f"{DEVICES}/bulk", "no token,pumps\n", "text/csv")
        return str(made["bulkOpsRequestId"])

    def member(self) -> str:
        name = f"mia-{uuid.uuid4()}"
        return str(self.post("/v1/members", {"userName": name, "role": "viewer"})["id"])

    def webhook(self) -> str:
        there = Owner(self.port, self.key).get("/v1/webhooks").made()["items"]
        if len(there) == WEBHOOKS_MOST:
            return str(there[0]["id"])
        # A name that no resolver finds, so that nothing is ever sent.
        body = {"url": "https://hooks.invalid/keyseed", "events": ["*"]}
        return str(self.post("/v1/webhooks", body)["id"])

    def api_key(self) -> str:
        return str(self.post("/v1/api-keys", {"name": "ci", "role": "viewer"})["id"])

    def tenant(self) -> str:
        return str(self.post("/v1/tenants", {"name": f"tenant {uuid.uuid4()}"})["id"])

    def identity_key(self) -> str:
        made = str(uuid.uuid4())
        self.post("/v1/identity-keys", {"deviceId": made, "publicKey": make.public_pem(make.p256())})
        return made


MAKERS: dict[str, Callable[[World], str]] = {
    "device_id": World.device,
    "command_id": lambda world: world.below_device("command_id"),
    "credential_id": lambda world: world.below_device("credential_id"),
    "identity_id": World.identity_key,
    "rule_id": World.rule,
    "bulk_id": World.bulk,
    "member_id": World.member,
    "webhook_id": World.webhook,
    "key_id": World.api_key,
    "tenant_id": World.tenant,
}
"""`identity_id` is the `device_id` of the addresses of identity keys: there, no device has to be."""
