"""What MQTT brokers ask over HTTP: may this client come in, and may it do this? Source: API.md "For devices".

`/broker/auth` and `/broker/acl` speak as EMQX 5 does, `/broker/rabbitmq/<token>/…` as RabbitMQ's HTTP back end, which
cannot send a header. Who has no KEYSEED_BROKER_TOKEN to show finds nothing here. Nothing of a request is logged.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from devices import credentials, sign_in
from devices.models import Credential, RevokedCertificate
from devices.sign_in import NotSignedIn, SignedIn
from provisioning import asking, mqtt
from provisioning.access import VHOST, Access
from provisioning.embedded.rules import ServiceAccount

BODY_MOST: Final = 16 * 1024
"""Bytes of a question: a token has 4,096 characters, each of them three bytes at most in a form."""

FIELDS_MOST: Final = 32

REVOCATION: Final = "crl"
VERIFIED: Final = ("true", REVOCATION)
"""What a broker may say of a certificate: checked against the device CA; and against its revocation list too."""

NOTHING: Final = ("", "undefined")
"""How EMQX writes that there is none."""

log = logging.getLogger(__name__)

Asked = Mapping[str, str]


class Junk(ValueError):
    """The question has not the shape that was agreed on; says which."""


# ---- EMQX


@csrf_exempt
def auth(request: HttpRequest) -> HttpResponse:
    """`{"username", "password", "clientid", …}` → `{"result": "allow" | "deny", "is_superuser": false}`."""
    return _emqx(request, _emqx_auth)


@csrf_exempt
def acl(request: HttpRequest) -> HttpResponse:
    """`{"username", "clientid", "topic", "action", "retain"?}` → `{"result": "allow" | "deny"}`."""
    return _emqx(request, _emqx_acl)


def _emqx(request: HttpRequest, decide: Callable[[Asked], dict[str, object]]) -> HttpResponse:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not settings.KEYSEED_BROKER_TOKEN:
        return HttpResponse(status=404)
    if scheme.lower() != "bearer" or not _is_token(given.strip()):
        return HttpResponse("Send the token of KEYSEED_BROKER_TOKEN.\n", "text/plain", 401)
    return _answered(request, lambda: JsonResponse(decide(_json(request))))


def _emqx_auth(asked: Asked) -> dict[str, object]:
    found = _let_in(asked, _of(asked, "clientid"), _by_secret_or_certificate)
    if found is None:
        return {"result": "deny", "is_superuser": False}
    answer: dict[str, object] = {"result": "allow", "is_superuser": False}
    if isinstance(found, SignedIn) and found.until is not None:
        # EMQX ends the session then, from 5.8 on.
        answer["expire_at"] = int(found.until.timestamp())
    return answer


def _emqx_acl(asked: Asked) -> dict[str, object]:
    user, client_id, topic = (_of(asked, name) for name in ("username", "clientid", "topic"))
    access, action = _access(), _of(asked, "action")
    if action == "publish":
        allowed = access.may_publish(user, topic) and asked.get("retain", "false") == "false"
    elif action == "subscribe":
        allowed = access.may_subscribe(user, topic)
    else:
        raise Junk("The field action is neither publish nor subscribe.")
    return {"result": "allow" if allowed and access.client_id_allowed(user, client_id) else "deny"}


# ---- RabbitMQ


@csrf_exempt
def rabbitmq(request: HttpRequest, token: str, question: str) -> HttpResponse:
    """`user`, `vhost`, `resource` or `topic`, as a form → `allow` or `deny`, and never a tag."""
    if not _is_token(token) or question not in QUESTIONS:
        return HttpResponse(status=404)
    decide = QUESTIONS[question]
    return _answered(request, lambda: _word(decide(_form(request))))


def _word(allowed: bool) -> HttpResponse:
    return HttpResponse("allow" if allowed else "deny", "text/plain")


def _rabbitmq_user(asked: Asked) -> bool:
    """Who signs in without a client id speaks AMQP or wants the management pages: that is not for devices."""
    found = _let_in(asked, asked.get("client_id", ""), _by_secret)
    if isinstance(found, SignedIn) and found.until is not None:
        asking.end_at(found.device_id, found.until)
    return found is not None


def _rabbitmq_vhost(asked: Asked) -> bool:
    return _of(asked, "vhost") == VHOST and _access().is_known(_of(asked, "username"))


def _rabbitmq_resource(asked: Asked) -> bool:
    user, kind, name, permission = (_of(asked, one) for one in ("username", "resource", "name", "permission"))
    return _in_vhost(asked) and _access().may_use(user, kind, name, permission)


def _rabbitmq_topic(asked: Asked) -> bool:
    user, name, permission, key = (
        _of(asked, one) for one in ("username", "name", "permission", "routing_key")
    )
    return _in_vhost(asked) and _access().may_route(user, name, permission, key)


def _in_vhost(asked: Asked) -> bool:
    return _of(asked, "vhost") == VHOST


QUESTIONS: Final[Mapping[str, Callable[[Asked], bool]]] = {
    "user": _rabbitmq_user,
    "vhost": _rabbitmq_vhost,
    "resource": _rabbitmq_resource,
    "topic": _rabbitmq_topic,
}


# ---- who comes in

Proof = Callable[[str, Asked], SignedIn]


def _let_in(asked: Asked, client_id: str, prove: Proof) -> SignedIn | ServiceAccount | None:
    """The device or the service, None for anybody else and for a client id that is somebody else's."""
    user, access = _of(asked, "username"), _access()
    if not access.client_id_allowed(user, client_id):
        return None
    if access.is_service(user):
        return access.service if access.service_signs_in(_secret(asked)) else None
    try:
        found = prove(user, asked)
    except NotSignedIn as refused:
        log.info("device %s is not let in: %s", user, refused.reason)
        return None
    over = found.until is not None and found.until <= timezone.now()
    return None if found.blocked or over else found


def _by_secret(device_id: str, asked: Asked) -> SignedIn:
    return sign_in.by_secret(device_id, _secret(asked))


def _by_secret_or_certificate(device_id: str, asked: Asked) -> SignedIn:
    return _by_secret(device_id, asked) if _secret(asked) else _by_certificate(device_id, asked)


def _by_certificate(device_id: str, asked: Asked) -> SignedIn:
    """The device whose name the certificate has, if the broker says that it verified it. Raises `NotSignedIn`."""
    verified = asked.get("cert_verified")
    if verified not in VERIFIED or asked.get("cert_common_name") != device_id:
        raise NotSignedIn(
            "It gave neither a password nor a certificate in its name that the broker verified."
        )
    now, its_own = timezone.now(), Q(device_id=device_id)
    valid = Credential.objects.filter(credentials.alive(now), its_own, kind=Credential.Kind.CERTIFICATE)
    found = valid.select_related("device").first()
    if found is None:
        raise NotSignedIn("It has no valid certificate of the device CA.")
    if verified != REVOCATION and RevokedCertificate.objects.filter(its_own, expires_at__gt=now).exists():
        raise NotSignedIn("A certificate of its was revoked, and the broker does not say which one this is.")
    return SignedIn(found.device.id, found.device.blocked)


def _secret(asked: Asked) -> str:
    given = asked.get("password", "")
    return "" if given in NOTHING else given


def _access() -> Access:
    return _made(settings.MQTT_URL, settings.KEYSEED_MQTT_ROOT, settings.KEYSEED_GATEWAY_GROUP)


@lru_cache(maxsize=1)
def _made(url: str, root: str, group: str) -> Access:
    try:
        address = mqtt.parse(url)
        service = ServiceAccount(address.user or "", address.password or "")
    except ValueError:
        # keyseed.E003 and E004 tell; devices are let in all the same.
        service = None
    return Access(root, service, group)


# ---- what a question looks like


def _answered(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """Whatever goes wrong, nothing names the address, which may hold the token."""
    try:
        response = (
            answer() if request.method == "POST" else HttpResponse(status=405, headers={"Allow": "POST"})
        )
    except Junk as junk:
        response = HttpResponse(f"{junk}\n", "text/plain", 400)
    except Exception as error:  # noqa: BLE001 - Django would log the address, and the broker takes this for a no
        log.error("A broker's question could not be answered: %s", type(error).__name__)
        response = HttpResponse("Ask again later.\n", "text/plain", 503)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_token(given: str) -> bool:
    own = settings.KEYSEED_BROKER_TOKEN
    return bool(own) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), own.encode())


def _body(request: HttpRequest) -> str:
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_MOST:
        raise Junk(f"The body is larger than {BODY_MOST} bytes.")
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise Junk("The body is not UTF-8.") from None


def _json(request: HttpRequest) -> Asked:
    body = _body(request)
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Junk("The body is not JSON.") from None
    if not isinstance(given, dict) or len(given) > FIELDS_MOST:
        raise Junk(f"The body is not a JSON object of at most {FIELDS_MOST} fields.")
    return {name: _text(name, value) for name, value in given.items()}


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int)):
        return "" if value is None else str(value).lower()
    raise Junk(f"The field {name!a:.64} is neither text nor a number.")


def _form(request: HttpRequest) -> Asked:
    body = _body(request)
    try:
        pairs = parse_qsl(body, True, strict_parsing=True, errors="strict", max_num_fields=FIELDS_MOST)
    except ValueError:
        raise Junk(f"The body is not a form of at most {FIELDS_MOST} fields.") from None
    if len(set(pairs)) != len(made := dict(pairs)):
        raise Junk("A field stands twice in the body.")
    return made


def _of(asked: Asked, name: str) -> str:
    if name not in asked:
        raise Junk(f"The field {name} is missing.")
    return asked[name]
