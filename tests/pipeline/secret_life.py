"""A life in which a secret comes in through every door, each with a secret of its own."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import psycopg

from tests.mosquitto.clients import Session
from tests.pipeline import doors, needles
from tests.pipeline.cast import Device
from tests.pipeline.doors import PASSWORD, Caller, private_key, psk, shared
from tests.pipeline.wire import Wire
from tests.pki import make
from tests.rest.modems import modem
from tests.servers.product import Product

DEVICES = "/claimed-devices"
BROKEN = ("commands_command", "commands_rulecommand", "devices_credential", "tenants_webhook")


class Life:
    """An installation whose every secret is known: `planted` by the door through which it came."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.planted: dict[str, str] = {}
        self.caller = Caller(product.http_port)

    def plant(self, door: str, secret: str) -> str:
        """Notes a secret."""
        assert len(secret) >= needles.LEAST, door
        assert door not in self.planted
        self.planted[door] = secret
        return secret

    def psk(self, door: str) -> str:
        return self.plant(door, psk())

    def rest(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        return self.caller.rest(method, path, body, **{"key": self.product.key, **options})

    def shown(self, door: str, path: str, body: object, field: str) -> Any:
        """Something new; its secret is in this answer alone."""
        answer = self.rest("POST", path, body, shown=True)
        self.plant(door, answer[field])
        return answer

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.product.postgres.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


# ---- the doors


def claimed(life: Life) -> Device:
    """A device by its claim token, which is not kept."""
    one, many = modem(), modem()
    for each in (one, many):
        life.rest("POST", "/identity-keys", {"deviceId": each.id, "publicKey": each.pem})
    life.plant("a claim token", one.token)
    life.rest("POST", DEVICES, {"claimToken": life.planted["a claim token"]})
    life.plant("a claim token that is not known", modem().token)
    life.rest("POST", "/devices/" + one.id, {"claimToken": life.planted["a claim token that is not known"]})
    row = f'"{life.plant("a claim token in a CSV", many.token)}"\n'
    life.caller.send("POST", "/v1/devices", row.encode(), bearer(life, Content_Type="text/csv"))
    made = life.rest("POST", DEVICES, {"name": "pump", "tags": ["pump"]})
    return Device(UUID(int=0), UUID(made["id"]))


def bearer(life: Life, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {life.product.key}", **more}


def commands(life: Life, device: Device) -> None:
    """One at a time, in a batch, in a rule."""
    there = f"{DEVICES}/{device.id}/provisioning"
    life.rest("POST", there, {"request": shared(life.psk("a command"))}, Idempotency_Key="once")
    key = private_key(life.plant("a private key's password", PASSWORD))
    life.plant("a private key", doors.body_of(key))
    batch = [{"request": shared(life.psk("a batch"))}, {"request": key}]
    assert life.rest("POST", f"{there}/batch", {"commands": batch})["items"]
    rule = {"name": "all", "active": True, "tags": ["pump"]}
    given = [{"request": shared(life.psk("a rule"))}]
    made = life.rest("POST", "/provisioning-rules", {**rule, "commands": given})
    life.rest("POST", f"/provisioning-rules/{made['id']}/preview", {})


def keys(life: Life, device: Device) -> None:
    """API keys, passwords, webhooks: made here, and shown once."""
    life.shown("a new API key", "/api-keys", {"name": "ci", "role": "owner"}, "key")
    there = f"{DEVICES}/{device.id}/credentials"
    life.shown("a device's password", there, {"kind": "password"}, "secret")
    hook = {"url": "https://hooks.example.com/keyseed", "events": ["*"]}
    made = life.shown("a webhook's secret", "/webhooks", hook, "secret")
    life.shown("a webhook's next secret", f"/webhooks/{made['id']}/rotate-secret", {}, "secret")
    life.rest("POST", "/tenants", {"name": "other"}, key=life.planted["KEYSEED_PLATFORM_KEY"], shown=True)
    life.rest("GET", "/tenants", key=life.planted["KEYSEED_PLATFORM_KEY"])


def mistakes(life: Life, device: Device) -> None:
    """Refused, each with a secret in it."""
    there = f"{DEVICES}/{device.id}/provisioning"
    key = private_key("right")["clientPrivateKey"]
    assert isinstance(key, dict)
    life.rest("POST", there, {"request": shared(life.psk("too big a slot"), tag=-1)})
    life.rest("POST", there, {"request": shared(life.psk("an odd number of digits") + "0")})
    life.rest("POST", there, {"request": {"noSuchType": {"secret": life.psk("an unknown type")}}})
    life.rest("POST", there, {"request": {"preSharedKey": {life.psk("a field's name"): 1}}})
    life.rest("POST", there, {"request": shared("aa" * 16), "secret": life.psk("a wrong place")})
    wrong = life.plant("a wrong password", f"wrong-{psk()}")
    life.rest("POST", there, {"request": {"clientPrivateKey": {**key, "password": wrong}}})
    for door, text in (
        ("no JSON", '{"secret": "%s'),
        ("no object", '"%s"'),
        ("a double name", '{"%s":1,"%s":2}'),
    ):
        body = text.replace("%s", life.psk(door)).encode()
        life.caller.send("POST", f"/v1{there}", body, bearer(life, Content_Type="application/json"))
    life.rest("GET", DEVICES, key=life.plant("a wrong API key", f"ks_{psk()}"))
    query = life.psk("a query")
    life.rest("GET", f"{DEVICES}?api_key={query}&name={query}")
    life.caller.send("GET", f"/admin/login/?next=/admin/&password={query}", None)
    life.caller.send("GET", f"/nowhere?token={query}", None, {"Referer": f"http://x/?{query}"})
    life.caller.send("PUT", f"/v1/tenant?key={query}", b"{}", bearer(life))


def failures(life: Life, device: Device) -> None:
    """Everything breaks while there are secrets in hand."""
    life.sql(*(f"ALTER TABLE {table} RENAME TO {table}_gone" for table in BROKEN))
    there = f"{DEVICES}/{device.id}"
    command, ruled = ({"request": shared(life.psk(f"{what} that broke"))} for what in ("a command", "a rule"))
    calls = [
        (f"{there}/provisioning", command),
        ("/provisioning-rules", {"name": "b", "tags": ["x"], "commands": [ruled]}),
        (f"{there}/credentials", {"kind": "password"}),
        ("/webhooks", {"url": "https://hooks.example.com/x", "events": ["*"]}),
    ]
    broke = [life.rest("POST", f"{path}?why={life.planted['a query']}", body) for path, body in calls]
    broke += [life.rest("POST", path, body) for path, body in calls]
    assert [one["code"] for one in broke[4:]] == ["INTERNAL"] * 4, broke
    password = life.planted["a device's password"]
    basic = base64.b64encode(f"{device.id}:{password}".encode()).decode()
    life.caller.send("GET", "/v1/provisioning/commands", None, {"Authorization": f"Basic {basic}"})
    ask_as_broker(life, device)
    life.sql(*(f"ALTER TABLE {table}_gone RENAME TO {table}" for table in BROKEN))
    ask_as_broker(life, device)


def ask_as_broker(life: Life, device: Device) -> None:
    """What EMQX and RabbitMQ ask when a device signs in to them."""
    who = {"username": str(device.id), "clientid": str(device.id), "client_id": str(device.id)}
    asked = {**who, "password": life.planted["a device's password"]}
    token = life.planted["KEYSEED_BROKER_TOKEN"]
    headers = {"Authorization": f"Bearer {token}", "Content_Type": "application/json"}
    life.caller.send("POST", "/broker/auth", json.dumps(asked).encode(), headers)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for path in (f"/broker/rabbitmq/{token}/user", f"/broker/rabbitmq/{token}/nothing"):
        life.caller.send("POST", path, doors.form(asked), form)
    life.caller.told = {place.replace(token, "-"): told for place, told in life.caller.told.items()}


def people(life: Life, device: Device) -> None:
    """An operator at the admin."""
    caller = life.caller
    wrong = life.plant("an operator's wrong password", f"wrong-{psk()}")
    sign_in = {"username": "anna", "next": "/admin/"}
    assert caller.post_form("/admin/login/", {**sign_in, "password": wrong})[0] == 200
    right = life.planted["DJANGO_SUPERUSER_PASSWORD"]
    assert caller.post_form("/admin/login/", {**sign_in, "password": right})[0] == 302
    path = f"/admin/devices/device/{device.id}/credentials/new-password/"
    _, page = caller.post_form(path, {"overlap": "0"}, shown=True)
    life.plant("a password made in the admin", doors.shown_once(page))
    tenant = life.rest("GET", "/tenant")["id"]
    fields = {"tenant": tenant, "name": "by hand", "role": "viewer"}
    _, page = caller.post_form("/admin/tenants/apikey/add/", fields, shown=True)
    life.plant("a key made in the admin", doors.shown_once(page))


# ---- what follows


def served(life: Life, device: Device) -> None:
    """The device fetches, fails, is reset with new secrets, and signs in by everything that it has."""
    there = f"{DEVICES}/{device.id}/provisioning"
    with Wire(life.product.environment["MQTT_URL"]) as wire:
        wire.say([device.get()])
        wire.wait_until(lambda: bool(heard(wire, "commands")))
        first = json.loads(heard(wire, "commands")[0])["commands"]
        assert {life.planted["a command"], life.planted["a rule"]} <= {
            c["params"].get("secret") for c in first
        }
        ids = [one["id"] for one in first]
        wire.say([device.results({ids[0]: None, ids[1]: 5})])
        wire.wait_until(lambda: bool(heard(wire, "accepted")))
        rows = life.rest("GET", there)["items"]
        reset = {"secrets": {"secret": life.psk("a reset")}}
        assert life.rest("POST", f"{there}/{rows[0]['id']}/reset", reset)["status"] == "PENDING"
        in_admin(life, device, rows[1]["id"])
        wire.say([device.get()])
        wire.wait_until(lambda: len(heard(wire, "commands")) == 2)
        # What is no message of ours, with a secret in it.
        wire.say([device.says("results", f'{{"{life.psk("a malformed message")}'.encode())])
        wire.wait_until(lambda: bool(heard(wire, "rejected")))
    signs_in(life, device)


def in_admin(life: Life, device: Device, command_id: str) -> None:
    """The failed one is skipped, which erases its secret, and reset with another one."""
    there = f"/admin/devices/device/{device.id}/commands/{command_id}"
    assert life.caller.post_form(f"{there}/skip/", {})[0] == 302
    wrong, right = life.psk("a wrong secret in the admin") + "0", life.psk("a reset in the admin")
    life.caller.post_form(f"{there}/reset/", {f"{command_id}.secret": wrong})
    assert life.caller.post_form(f"{there}/reset/", {f"{command_id}.secret": right})[0] == 302


def signs_in(life: Life, device: Device) -> None:
    """Over HTTP and MQTT, by password and by token, right and wrong."""
    key, id = make.p256(), str(device.id)
    credential = {"kind": "publicKey", "publicKey": make.public_pem(key)}
    life.rest("POST", f"{DEVICES}/{id}/credentials", credential)
    token = life.plant("a device's token", doors.token(id, key))
    strange = life.plant("a stranger's token", doors.token(id, make.p256()))
    for one in (token, strange):
        headers = {"Authorization": f"Bearer {one}", "Accept": "application/json"}
        # The body is for the device, and has its secrets.
        life.caller.send("GET", "/v1/provisioning/commands", None, headers, shown=True)
    for door in (
        "a device's password",
        "a device's token",
        "a password made in the admin",
        "a wrong password",
    ):
        session = Session(life.product.device_port, id, life.planted[door], id)
        session.open()
        session.close()


def heard(wire: Wire, verb: str) -> list[bytes]:
    return [one.payload for one in wire.arrived if one.topic.endswith(f"/{verb}")]


def look_at_everything(life: Life, device: Device) -> None:
    """Every list and every page."""
    there = f"{DEVICES}/{device.id}"
    lists = [
        "/tenant",
        "/api-keys",
        "/members",
        "/audit-log",
        "/webhooks",
        "/provisioning-rules",
    ]
    lists += [DEVICES, there, "/provisioning/tags", "/openapi.json", f"{there}/provisioning?run=all"]
    lists += [f"{there}/{name}" for name in ("provisioning", "credentials", "timeline", "explain")]
    lists += [f"/webhooks/{one['id']}/deliveries" for one in life.rest("GET", "/webhooks")["items"]]
    for path in lists:
        assert "code" not in life.rest("GET", path), path
    life.caller.send("GET", "/metrics", None)
    pages = life.caller.crawl()
    assert len(pages) > 30
    assert any(str(device.id) in page for page in pages)
