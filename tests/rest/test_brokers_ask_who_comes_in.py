"""What EMQX and RabbitMQ ask over HTTP, and what they are told."""

from __future__ import annotations

import json
import logging
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from django.core.checks import run_checks
from django.utils import timezone
from pytest_django.fixtures import Settings

from commands import services
from devices.models import Credential, RevokedCertificate
from tests.pki.make import jws, p256, public_pem
from tests.rest import cast as cast_module
from tests.rest.cast import DEVICES, Cast, call

TOKEN = "t" * 16 + "_broker-0123456789"
AUTH, ACL = "/broker/auth", "/broker/acl"
RABBITMQ = f"/broker/rabbitmq/{TOKEN}"
SERVICE = "gateway", "the-service-has-this"


@pytest.fixture(autouse=True)
def its_settings(settings: Settings) -> None:
    settings.KEYSEED_BROKER_TOKEN = TOKEN
    settings.KEYSEED_GATEWAY_GROUP = ""
    settings.MQTT_URL = "mqtt://{}:{}@127.0.0.1:1".format(*SERVICE)


@pytest.fixture
def password(cast: Cast, device: str) -> str:
    made = cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"})
    assert made.status == 201, made.body
    return str(made.body["secret"])


def emqx(path: str, body: object, token: str = TOKEN) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call("POST", path, data, headers={"Authorization": f"Bearer {token}"})


def let_in(user: str, password: str, client_id: str = "", **more: object) -> dict[str, Any]:
    """EMQX's question; its answer."""
    asked = {"username": user, "password": password, "clientid": client_id or user, "peerhost": "10.0.0.1"}
    answer = emqx(AUTH, asked | more)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.body["is_superuser"] is False
    return dict(answer.body)


def may(user: str, action: str, topic: str, **more: object) -> bool:
    asked = {"username": user, "clientid": user, "action": action, "topic": topic, "qos": "1"}
    answer = emqx(ACL, asked | more)
    assert answer.status == 200
    assert answer.body["result"] in ("allow", "deny")
    return bool(answer.body["result"] == "allow")


def rabbitmq(question: str, **fields: str) -> str:
    data = urlencode({"vhost": "/", **fields}).encode()
    answer = _form(f"{RABBITMQ}/{question}", data)
    assert answer[0] == 200, answer
    return answer[1]


def _form(path: str, data: bytes, method: str = "POST") -> tuple[int, str]:
    response = cast_module._client().generic(method, path, data, "application/x-www-form-urlencoded")
    return response.status_code, response.getvalue().decode()


# ---- EMQX


def test_a_device_comes_in_by_its_password_under_its_own_name(device: str, password: str) -> None:
    assert let_in(device, password) == {"result": "allow", "is_superuser": False}
    assert let_in(device, password, f"{device}-1")["result"] == "allow"
    for user, secret, client_id in (
        (device, "wrong", device),
        (device, "", device),
        (device, "undefined", device),
        (str(uuid4()), password, ""),
        (device.upper(), password, device),
        (device, password, str(uuid4())),
        (device, password, "keyseed-gateway-1"),
        ("", "", "x"),
    ):
        assert let_in(user, secret, client_id)["result"] == "deny", (user, client_id)


def test_a_blocked_device_stays_out(cast: Cast, device: str, password: str) -> None:
    services.block(cast.owner.tenant.id, UUID(device), "the owner")
    assert let_in(device, password)["result"] == "deny"
    assert rabbitmq("user", username=device, password=password, client_id=device) == "deny"


def test_a_token_says_when_its_session_ends(cast: Cast, device: str) -> None:
    key, now = p256(), int(time.time())
    given = {"kind": "publicKey", "publicKey": public_pem(key)}
    assert cast.editor.post(f"{DEVICES}/{device}/credentials", given).status == 201

    def token(seconds: int) -> str:
        return jws(key, {"sub": device, "iat": now - 100, "exp": now + seconds})

    assert let_in(device, token(300)) == {"result": "allow", "is_superuser": False, "expire_at": now + 300}
    # Within the leeway for its clock, and yet its session would have had to end.
    assert let_in(device, token(-5))["result"] == "deny"
    assert let_in(device, token(-100))["result"] == "deny"


def test_the_service_comes_in_by_its_own_password(device: str) -> None:
    assert let_in(*SERVICE, "keyseed-gateway-1")["result"] == "allow"
    assert let_in(SERVICE[0], "wrong", "keyseed-gateway-1")["result"] == "deny"
    assert let_in(*SERVICE, device)["result"] == "deny"


def test_a_device_reaches_its_own_and_keeps_nothing(device: str) -> None:
    own, other = f"prov/v1/{device}", f"prov/v1/{uuid4()}"
    assert may(device, "publish", f"{own}/json/get")
    assert may(device, "publish", f"{own}/json/get", retain="false")
    assert may(device, "subscribe", f"{own}/#")
    for retain in ("true", True, "1", 1):
        assert not may(device, "publish", f"{own}/json/get", retain=retain)
    assert not may(device, "publish", f"{own}/json/commands")
    assert not may(device, "publish", f"{other}/json/get")
    assert not may(device, "subscribe", f"{other}/#")
    for filter in ("#", "prov/v1/+/+/get", f"$share/a/{own}/#", "$SYS/#"):
        assert not may(device, "subscribe", filter)
    assert not may(device, "publish", f"{own}/json/get", clientid="another")
    assert not may(str(uuid4()).upper(), "publish", f"{own}/json/get")


def test_the_service_reaches_devices_and_no_more(device: str) -> None:
    named = {"clientid": "keyseed-gateway-1"}
    assert may("gateway", "publish", f"prov/v1/{device}/json/commands", **named)
    assert may("gateway", "subscribe", "prov/v1/+/+/get", **named)
    assert not may("gateway", "subscribe", "prov/v1/#", **named)
    assert not may("gateway", "publish", "elsewhere", **named)


# ---- certificates


@pytest.fixture
def certified(device: str) -> str:
    now = timezone.now()
    kind = Credential.Kind.CERTIFICATE
    Credential.objects.create(
        device_id=device, kind=kind, serial="0a", created_at=now, expires_at=now + timedelta(days=1)
    )
    return device


def test_a_certificate_counts_where_the_broker_says_that_it_verified_it(certified: str) -> None:
    def comes_in(name: str, **more: object) -> bool:
        answer = let_in(certified, "", certified, cert_common_name=name, **more)
        return bool(answer["result"] == "allow")

    assert comes_in(certified, cert_verified="true")
    assert comes_in(certified, cert_verified=True)
    assert not comes_in(certified)
    assert not comes_in(certified, cert_verified="false")
    for name in ("", "undefined", str(uuid4()), certified.upper()):
        assert not comes_in(name, cert_verified="true")


def test_an_expired_or_a_missing_certificate_opens_nothing(device: str, certified: str) -> None:
    named = {"cert_common_name": device, "cert_verified": "true"}
    Credential.objects.update(expires_at=timezone.now())
    assert let_in(device, "", **named)["result"] == "deny"
    Credential.objects.all().delete()
    assert let_in(device, "", **named)["result"] == "deny"


def test_after_a_revocation_the_broker_must_know_which_certificate_it_was(certified: str) -> None:
    now = timezone.now()
    named = {"cert_common_name": certified}
    RevokedCertificate.objects.create(
        serial="09", device_id=certified, revoked_at=now, expires_at=now + timedelta(days=1)
    )
    assert let_in(certified, "", cert_verified="true", **named)["result"] == "deny"
    assert let_in(certified, "", cert_verified="crl", **named)["result"] == "allow"
    RevokedCertificate.objects.update(expires_at=now)
    assert let_in(certified, "", cert_verified="true", **named)["result"] == "allow"


# ---- RabbitMQ


def test_rabbitmq_is_told_one_word_and_no_tag(device: str, password: str) -> None:
    who = {"username": device, "password": password}
    assert rabbitmq("user", **who, client_id=device) == "allow"
    assert rabbitmq("user", **who) == "deny", "it speaks AMQP, or wants the management pages"
    assert rabbitmq("user", username=device, password="wrong", client_id=device) == "deny"
    assert rabbitmq("user", username="gateway", password=SERVICE[1], client_id="keyseed-1") == "allow"
    assert rabbitmq("vhost", username=device, ip="10.0.0.1") == "allow"
    assert rabbitmq("vhost", username="guest", ip="10.0.0.1") == "deny"
    assert rabbitmq("vhost", username=device, vhost="other") == "deny"


def test_rabbitmq_gives_a_device_its_queue_and_its_topics(device: str) -> None:
    queue = {"username": device, "resource": "queue", "permission": "configure"}
    assert rabbitmq("resource", **queue, name=f"mqtt-subscription-{device}qos1") == "allow"
    assert rabbitmq("resource", **queue, name=f"mqtt-subscription-{uuid4()}qos1") == "deny"
    assert rabbitmq("resource", **{**queue, "vhost": "x"}, name=f"mqtt-subscription-{device}qos1") == "deny"
    topic = {"username": device, "resource": "topic", "name": "amq.topic"}
    assert rabbitmq("topic", **topic, permission="read", routing_key=f"prov.v1.{device}.#") == "allow"
    assert rabbitmq("topic", **topic, permission="write", routing_key=f"prov.v1.{device}.json.get") == "allow"
    assert rabbitmq("topic", **topic, permission="read", routing_key="prov.v1.*.*.get") == "deny"
    assert rabbitmq("topic", **topic, permission="read", routing_key="#") == "deny"


# ---- who may ask


def test_who_has_no_token_finds_nothing(settings: Settings) -> None:
    assert emqx(AUTH, {}, "wrong").status == 401
    assert call("POST", ACL, b"{}").status == 401
    assert _form(f"/broker/rabbitmq/{TOKEN}x/user", b"")[0] == 404
    assert _form(f"/broker/rabbitmq/{TOKEN}/users", b"")[0] == 404
    settings.KEYSEED_BROKER_TOKEN = ""
    for token in ("", TOKEN):
        assert emqx(AUTH, {}, token).status == 404
        assert emqx(ACL, {}, token).status == 404
        assert _form(f"/broker/rabbitmq/{token}/user", b"")[0] == 404


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 5000,
        b'{"username": 1' + b"0" * 6000 + b"}",
        b'{"username": "x"}',
        b'{"username": {}, "clientid": "", "topic": "", "action": "publish"}',
        b'{"username": "x", "clientid": "x", "topic": "x", "action": "all"}',
        json.dumps({f"field{number}": "" for number in range(40)}).encode(),
        b'{"username": "' + b"x" * 20_000 + b'"}',
    ],
)
def test_junk_is_refused(junk: bytes) -> None:
    assert emqx(ACL, junk).status == 400


@pytest.mark.parametrize(
    "junk",
    [b"", b"username", b"\xff=1", b"username=%ff", b"username=a&username=b", b"a=1&" * 40, b"x" * 20_000],
)
def test_a_junk_form_is_refused(junk: bytes) -> None:
    for question in ("user", "vhost", "resource", "topic"):
        assert _form(f"{RABBITMQ}/{question}", junk)[0] == 400


def test_passwords_are_not_asked_for_in_an_address() -> None:
    assert call("GET", AUTH, headers={"Authorization": f"Bearer {TOKEN}"}).status == 405
    assert _form(f"{RABBITMQ}/user?username=x&password=y", b"", "GET")[0] == 405


def test_without_a_database_nobody_comes_in_and_no_log_names_the_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """This test may not use the database, which is how it is away."""
    who = {"username": str(uuid4()), "password": "a-password"}
    caplog.set_level(logging.DEBUG)
    path, data = f"{RABBITMQ}/user", urlencode({**who, "client_id": who["username"]}).encode()
    assert _form(path, data)[0] == 503
    assert "could not be answered" in caplog.text
    for secret in (TOKEN, "a-password"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("id", "wrong"),
    [
        ("keyseed.E013", {"KEYSEED_BROKER_TOKEN": "short", "KEYSEED_BROKER_API": "emqx+http://a:b@host"}),
        ("keyseed.E013", {"KEYSEED_BROKER_TOKEN": "a/b" * 20, "KEYSEED_BROKER_API": "emqx+http://a:b@host"}),
        ("keyseed.E014", {"KEYSEED_BROKER_API": "http://a:b@host"}),
        ("keyseed.E014", {"KEYSEED_BROKER_API": "rabbitmq+http://host"}),
        ("keyseed.E014", {"KEYSEED_BROKER_API": "rabbitmq+ftp://a:b@host"}),
        ("keyseed.E014", {"KEYSEED_BROKER_API": "rabbitmq+http://a:b@host:99999"}),
        ("keyseed.W005", {}),
    ],
)
def test_a_dangerous_setting_is_told(settings: Settings, id: str, wrong: dict[str, str]) -> None:
    for name, value in wrong.items():
        setattr(settings, name, value)
    told = {message.id: str(message) for message in run_checks() if message.id in CHECKED}
    assert list(told) == [id]
    assert "a:b" not in told[id]


CHECKED = ("keyseed.E013", "keyseed.E014", "keyseed.W005")
