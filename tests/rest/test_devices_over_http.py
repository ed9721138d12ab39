"""A device has the same conversation over HTTP as over MQTT, one message at a time (WIRE.md 9.1)."""

import json
from base64 import b64encode
from typing import Any
from uuid import UUID, uuid4

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from commands import services
from devices.models import IdentityKey, TimelineEntry
from tests.pki.make import p256, public_pem
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Answer, Cast, call
from tests.rest.test_device_sign_in import token

COMMANDS, RESPONSE = "/v1/provisioning/commands", "/v1/provisioning/response"
CBOR, JSON = "application/cbor", "application/json"


@pytest.fixture
def key(cast: Cast, device: str) -> EllipticCurvePrivateKey:
    """The key that the device signs with."""
    made = p256()
    body = {"kind": "publicKey", "publicKey": public_pem(made)}
    assert cast.editor.post(f"{DEVICES}/{device}/credentials", body).status == 201
    return made


@pytest.fixture
def bearer(device: str, key: EllipticCurvePrivateKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(device, key)}"}


def get(headers: dict[str, str], query: str = "", accept: str = JSON) -> Answer:
    return call("GET", f"{COMMANDS}?{query}", headers={**headers, "Accept": accept})


def post(headers: dict[str, str], body: Any, kind: str = JSON) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call("POST", RESPONSE, data, kind, headers)


def test_commands_are_pulled_and_answered_until_the_device_is_provisioned(
    cast: Cast, device: str, bearer: dict[str, str]
) -> None:
    cast.editor.commands(device, CONFIG, FINISHED)
    pulled = get(bearer)
    assert (pulled.status, pulled.body["status"], pulled.body["pending"]) == (200, "PROVISIONING", 0)
    results = [{"id": command["id"], "ok": True} for command in pulled.body["commands"]]
    told = post(bearer, {"results": results})
    assert (told.status, told.body["status"]) == (200, "PROVISIONED")
    assert set(told.body["results"].values()) == {"stored"}
    again = post(bearer, {"results": results})
    assert (again.status, set(again.body["results"].values())) == (200, {"duplicate"})
    assert cast.viewer.get(f"{DEVICES}/{device}").body["status"] == "PROVISIONED"


def test_nothing_to_do_is_204_without_a_body(bearer: dict[str, str]) -> None:
    for accept in (JSON, CBOR, "*/*", ""):
        answer = get(bearer, accept=accept)
        assert (answer.status, answer.body) == (204, None)
        assert "Content-Type" not in answer.headers


def test_a_password_opens_it_too(cast: Cast, device: str) -> None:
    secret = cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}).body["secret"]
    basic = b64encode(f"{device}:{secret}".encode()).decode()
    assert get({"Authorization": f"Basic {basic}"}).status == 204
    wrong = b64encode(f"{device}:{secret}x".encode()).decode()
    assert get({"Authorization": f"Basic {wrong}"}).status == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic", "Basic x", "Basic ÿÿ", "Basic bm9ib2R5", "Digest a", "Bearer a.b.c"],
)
def test_who_proves_nothing_gets_401_and_a_sentence(db: None, header: str) -> None:
    answer = get({"Authorization": header} if header else {})
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")
    assert answer.message.endswith(".")


def test_an_api_key_is_no_way_in(cast: Cast) -> None:
    assert get({"Authorization": f"Bearer {cast.owner.key}"}).status == 401


def test_a_device_that_nobody_claimed_gets_403(db: None) -> None:
    device, identity = str(uuid4()), p256()
    IdentityKey.objects.create(device_id=device, public_key=public_pem(identity))
    answer = get({"Authorization": f"Bearer {token(device, identity)}"}, accept=CBOR)
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    assert "claimed" in answer.message


def test_a_blocked_device_gets_403(cast: Cast, device: str, bearer: dict[str, str]) -> None:
    services.block(cast.owner.tenant.id, UUID(device), "the owner")
    assert (get(bearer).status, get(bearer).body["code"]) == (403, "BLOCKED")
    assert get(bearer, accept=CBOR).status == 403
    assert post(bearer, {"results": []}).status == 403


def test_too_many_requests_are_429_in_json_and_500_to_a_modem(bearer: dict[str, str]) -> None:
    statuses = [get(bearer).status for _ in range(12)]
    assert statuses[:10] == [204] * 10
    refused = get(bearer)
    assert (refused.status, refused.body["code"]) == (429, "THROTTLED")
    assert int(refused.headers["Retry-After"]) >= 1
    assert get(bearer, accept=CBOR).status == 500


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("rxMaxSize=abc", "rxMaxSize"),
        ("rxMaxSize=-1", "rxMaxSize"),
        ("rxMaxSize=100", "rxMaxSize"),
        ("rxMaxSize=" + "9" * 5000, "rxMaxSize"),
        ("limit=0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("txMaxSize=1.5", "txMaxSize"),
    ],
)
def test_a_query_that_makes_no_sense_is_400_and_says_what(
    device: str, bearer: dict[str, str], query: str, field: str
) -> None:
    answer = get(bearer, query)
    assert (answer.status, answer.body["code"]) == (400, "MALFORMED")
    assert field in answer.message
    assert get(bearer, query, accept=CBOR).status == 400
    assert TimelineEntry.objects.filter(device_id=device, kind="refused").exists()


def test_more_than_can_be_asked_for_and_what_is_not_known_is_no_trouble(
    cast: Cast, device: str, bearer: dict[str, str]
) -> None:
    cast.editor.commands(device, CONFIG)
    query = "limit=200&after=" + "x" * 500 + "&mver=" + "m" * 500 + "&cver=1&mver=2&unknown=1"
    assert get(bearer, query).status == 200


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'{"results": [1]}', b"\x80", b"x" * 70_000])
@pytest.mark.parametrize("kind", [JSON, CBOR])
def test_a_body_that_cannot_be_read_is_4xx_and_changes_nothing(
    bearer: dict[str, str], kind: str, body: bytes
) -> None:
    answer = post(bearer, body, kind)
    assert answer.status == (413 if len(body) > 65_536 and kind == JSON else 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
def test_another_media_type_is_415(bearer: dict[str, str], kind: str) -> None:
    refused = post(bearer, {"results": []}, kind)
    assert (refused.status, CBOR in refused.message, JSON in refused.message) == (415, True, True)
    assert get(bearer, accept="text/html").status == 406


def test_a_modem_gets_cbor_and_answers_in_it(cast: Cast, device: str, bearer: dict[str, str]) -> None:
    config, end = cast.editor.commands(device, CONFIG, FINISHED)
    answer = call("GET", f"{COMMANDS}?after=&rxMaxSize=1024", headers={**bearer, "Accept": CBOR})
    assert (answer.status, answer.headers["Content-Type"]) == (200, CBOR)
    done = post(bearer, cbor2.dumps([[f"{config}.0", 101], [f"{end}.0", 102]]), CBOR)
    assert (done.status, done.headers.get("Content-Length")) == (200, "0")
    assert cast.viewer.get(f"{DEVICES}/{device}").body["status"] == "PROVISIONED"


def test_answers_are_kept_by_nobody_and_carry_nothing_for_browsers(bearer: dict[str, str]) -> None:
    for answer in (get(bearer), get({}), post(bearer, b"x")):
        needless = {"X-Frame-Options", "Vary", "Referrer-Policy", "Allow", "Set-Cookie", "Location"}
        assert needless.isdisjoint(answer.headers)
    assert get(bearer).headers["Cache-Control"] == "no-store"


def test_other_methods_are_405(bearer: dict[str, str]) -> None:
    assert call("POST", COMMANDS, b"{}", JSON, bearer).status == 405
    assert call("GET", RESPONSE, headers=bearer).status == 405
