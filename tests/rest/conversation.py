"""A whole life over REST: every address is called, every secret is known, every answer is kept."""

from dataclasses import dataclass

from tests.pki.make import SESAME, p256
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Answer, Board, Cast
from tests.rest.material import encrypted_key, public_pem
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
    _read_all(call, made["id"], ids[1], key["id"], secret["id"])
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
    _read_all(call, made["id"], ids[2], key["id"], secret["id"])
    call("DELETE", f"{device}/credentials/{secret['id']}")
    call("DELETE", f"/v1/api-keys/{key['id']}")
    call("GET", "/v1/api-keys")
    call("DELETE", device)
    body = encrypted_key().splitlines()
    return Life(heard, [PSK_SECRET, SESAME, body[2]], [key["key"], secret["secret"]])


def _read_all(call: object, device: str, command: str, key: str, credential: str) -> None:
    ids = {"device_id": device, "command_id": command, "key_id": key, "credential_id": credential}
    assert callable(call)
    for route, method in CALLS:
        if method == "GET":
            call("GET", route.path(ids))
            if "CommandQuery" in str(route.view.queries.get("GET")):
                call("GET", route.path(ids) + "?run=all")
