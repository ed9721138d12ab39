"""A whole life over REST: every address is called, every secret is known, every answer is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from tenants.models import Tenant
from tests.pki.make import SESAME, p256
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Answer, Board, Cast
from tests.rest.material import encrypted_key, public_pem
from tests.rest.modems import modem, rows
from tests.rest.routes import CALLS

PSK_SECRET = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Heard:
    """One call and its answer."""

    method: str
    path: str
    answer: Answer


@dataclass(frozen=True)
class Life:
    """`sent` are secrets that the owner gave, `shown` those that were shown, once each."""

    heard: list[Heard]
    sent: list[str]
    shown: list[str]


def live(cast: Cast) -> Life:
    """One device from its definition to its end."""
    heard: list[Heard] = []

    def call(method: str, path: str, body: object = None, **headers: str) -> Answer:
        answer = cast.owner.call(method, path, body, **headers)
        heard.append(Heard(method, path, answer))
        return answer

    key = call("POST", "/v1/api-keys", {"name": "ci", "role": "editor"}, Idempotency_Key="a").body
    call("POST", "/v1/api-keys", {"name": "ci", "role": "editor"}, Idempotency_Key="a")
    made = call("POST", DEVICES, {"name": "pump", "tags": ["a"], "publicKey": public_pem(p256())}).body
    device = f"{DEVICES}/{made['id']}"
    secret = call("POST", f"{device}/credentials", {"kind": "password"}, Idempotency_Key="b").body
    call("POST", f"{device}/credentials", {"kind": "password"}, Idempotency_Key="b")
    requests = [
        {"clientPrivateKeyGeneration": {"secTag": 1}},
        {"clientPrivateKey": {"secTag": 2, "content": encrypted_key(), "password": SESAME}},
        {"preSharedKey": {"secTag": 3, "identity": "i", "secret": PSK_SECRET}},
        CONFIG,
    ]
    commands = {"commands": [{"request": request} for request in requests]}
    ids = [c["id"] for c in call("POST", f"{device}/provisioning/batch", commands).body["items"]]
    call("POST", f"{device}/provisioning/batch", {"commands": [{"request": {"preSharedKey": {}}}]})
    board = Board(made["id"])
    served = board.pull()
    board.answer(
        {"id": served[0]["id"], "ok": True, "value": {"publicKey": public_pem(p256())}},
        {"id": served[1]["id"], "ok": False, "error": {"code": 4, "message": "no"}},
    )
    rule, bulk = _rule(call), _claims(cast, call, made["id"])
    hook, signing = _webhook(call)
    member, password = _member(call)
    _read_all(call, made["id"], ids[1], key["id"], secret["id"], rule, bulk, hook, member)
    call("POST", f"{device}/provisioning/{ids[1]}/reset")
    board.do_all()
    last = call("POST", f"{device}/provisioning", {"request": FINISHED}).body["id"]
    call("DELETE", f"{device}/provisioning/{last}")
    call("POST", f"{device}/provisioning", {"request": FINISHED})
    board.do_all()
    call("POST", f"{device}/provisioning/reset")
    erased = {ids[1]: {"content": encrypted_key(), "password": SESAME}, ids[2]: {"secret": PSK_SECRET}}
    call("POST", f"{device}/provisioning/reset", {"secrets": erased})
    call("POST", f"{device}/provisioning/{ids[2]}/skip")
    for verb in ("block", "unblock"):
        call("POST", f"{device}/{verb}")
        call("GET", f"{device}/explain")
    call("PATCH", device, {"name": "pump 2", "group": "g"})
    _read_all(call, made["id"], ids[2], key["id"], secret["id"], rule, bulk, hook, member)
    call("DELETE", f"/v1/provisioning-rules/{rule}")
    call("DELETE", f"/v1/webhooks/{hook}")
    call("DELETE", f"/v1/identity-keys/{made['id']}")
    call("DELETE", f"{device}/credentials/{secret['id']}")
    call("DELETE", f"/v1/members/{member}")
    call("DELETE", f"/v1/api-keys/{key['id']}")
    call("PATCH", "/v1/tenant", {"jwtWithoutExpiry": True})
    call("GET", "/v1/api-keys")
    call("DELETE", device)
    body = encrypted_key().splitlines()
    return Life(heard, [PSK_SECRET, SESAME, body[2]], [key["key"], secret["secret"], password, *signing])


def _member(call: Callable[..., Answer]) -> tuple[str, str]:
    """A member with another role than at first; the id, and the password that was shown."""
    body = {"userName": "mia", "role": "viewer"}
    made = call("POST", "/v1/members", body, Idempotency_Key="m").body
    call("POST", "/v1/members", body, Idempotency_Key="m")
    call("PATCH", f"/v1/members/{made['id']}", {"role": "editor"})
    return str(made["id"]), str(made["password"])


def _rule(call: Callable[..., Answer]) -> str:
    """A rule that is written, looked at and switched on; its id."""
    call("POST", "/v1/provisioning/tags", {"tag": "a", "description": "all of them"})
    call("POST", "/v1/provisioning/tags", {"tag": "a"})
    shared = {"preSharedKey": {"secTag": 3, "identity": "{{device.id}}", "secret": PSK_SECRET}}
    body = {"name": "for a", "tags": ["a"], "commands": [{"request": shared}, {"request": CONFIG}]}
    rule = call("POST", "/v1/provisioning-rules", body).body["id"]
    call("POST", "/v1/provisioning-rules", body)
    call("POST", f"/v1/provisioning-rules/{rule}/preview")
    call("PATCH", f"/v1/provisioning-rules/{rule}", {"active": True})
    return str(rule)


def _webhook(call: Callable[..., Answer]) -> tuple[str, list[str]]:
    """A webhook that hears of all that follows, and waits; its id and the secrets that were shown."""
    body = {"url": "https://127.0.0.1/", "events": ["*"]}
    call("POST", "/v1/webhooks", body)
    body["url"] = "https://hooks.example.com/keyseed"
    made = call("POST", "/v1/webhooks", body, Idempotency_Key="c").body
    call("POST", "/v1/webhooks", body, Idempotency_Key="c")
    hook = f"/v1/webhooks/{made['id']}"
    call("POST", f"{hook}/test")
    call("PATCH", hook, {"description": "all of it"})
    rotated = call("POST", f"{hook}/rotate-secret").body
    call("POST", f"{hook}/resume")
    return str(made["id"]), [made["secret"], rotated["secret"]]


def _claims(cast: Cast, call: Callable[..., Answer], device: str) -> str:
    """Devices that are claimed, one by one and in bulk; the id of the bulk request."""
    Tenant.objects.filter(id=cast.stranger.tenant.id).delete()
    call("POST", "/v1/identity-keys", {"deviceId": device, "publicKey": public_pem(p256())})
    modems = [modem() for _ in range(3)]
    call("POST", "/v1/identity-keys", "".join(f'{one.id},"{one.pem}"\n' for one in modems) + "x\n")
    call("POST", "/v1/identity-keys", "x\n")
    for _ in range(2):
        call("POST", f"{DEVICES}?dryrun=true", {"claimToken": modems[0].token})
        call("POST", DEVICES, {"claimToken": modems[0].token})
    for _ in range(2):
        call("POST", f"{DEVICES}?dryrun=true", rows(*modems))
        call("POST", DEVICES, rows(*modems[:2]))
    call("POST", "/v1/devices", f"{device},,b,,no certificate\n")
    return str(call("POST", f"{DEVICES}/bulk", rows(*modems)).body["bulkOpsRequestId"])


def _read_all(
    call: object,
    device: str,
    command: str,
    key: str,
    credential: str,
    rule: str,
    bulk: str,
    hook: str,
    member: str,
) -> None:
    ids = {"device_id": device, "command_id": command, "key_id": key, "credential_id": credential}
    ids |= {"rule_id": rule, "bulk_id": bulk, "webhook_id": hook, "member_id": member}
    assert callable(call)
    for route, method in CALLS:
        if method == "GET":
            call("GET", route.path(ids))
            if "CommandQuery" in str(route.view.queries.get("GET")):
                call("GET", route.path(ids) + "?run=all")
