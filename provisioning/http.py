"""The device protocol over HTTP: the same conversation as over MQTT, one message at a time. Source: WIRE.md 9."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any, ClassVar, Final

import cbor2
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAcceptable,
    PermissionDenied,
    UnsupportedMediaType,
)
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from devices import sign_in
from devices.sign_in import NotClaimed, NotSignedIn, SignedIn
from provisioning import batches
from provisioning.messages import Inbound, Outbound
from provisioning.wire import codec, limits
from provisioning.wire.rejections import rejection
from tenants import throttling
from tenants.views import let_go

OVERHEAD: Final = 351
"""What an nrf device's buffer holds beside the body: status line and headers, ours and a proxy's, and a NUL."""

FORMATS: Final[Mapping[str, str]] = {"application/cbor": "nrf", "application/json": "json"}
MEDIA_TYPES: Final = {format: media_type for media_type, format in FORMATS.items()}

STATUSES: Final[Mapping[str, Mapping[str, int]]] = {
    # Nordic's client knows these and no others: 500 means "later" to it.
    "nrf": {"BLOCKED": 403, "NOT_CLAIMED": 403, "THROTTLED": 500, "INTERNAL": 500},
    "json": {"BLOCKED": 403, "NOT_CLAIMED": 403, "THROTTLED": 429, "INTERNAL": 500, "TOO_LARGE": 413},
}
MALFORMED = 400

FOR_BROWSERS: Final = (
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "Vary",
    "X-Content-Type-Options",
    "X-Frame-Options",
)
PATHS: Final = ("/v1/provisioning/commands", "/v1/provisioning/response")


class Lean:
    """Leaves out of answers to devices what only browsers read: it would take room in a modem's buffer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.path in PATHS:
            for name in FOR_BROWSERS:
                response.headers.pop(name, None)
        return response


class DeviceAuthentication(BaseAuthentication):
    """`Authorization: Bearer <JWT>`, or Basic with device id and secret. Raises 401, and 403 NOT_CLAIMED."""

    def authenticate(self, request: Request) -> tuple[None, SignedIn]:
        scheme, _, given = get_authorization_header(request).decode("latin-1").strip().partition(" ")
        try:
            return None, _signed_in(scheme.lower(), given.strip())
        except NotClaimed as refused:
            raise PermissionDenied(refused.reason) from None
        except NotSignedIn as refused:
            if not _modem(request):  # to which 429 would be an error, and 401 is a reason to wait
                throttling.refuse_stranger(request)
            raise AuthenticationFailed(refused.reason) from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _modem(request: Request) -> bool:
    return MEDIA_TYPES["nrf"] in (request.headers.get("Accept"), request.headers.get("Content-Type"))


def _signed_in(scheme: str, given: str) -> SignedIn:
    if scheme == "bearer" and given:
        return sign_in.by_token(given)
    if scheme == "basic" and given:
        try:
            device_id, _, secret = b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            raise NotSignedIn("The Basic credentials are not base64 of `device id:secret`.") from None
        return sign_in.by_secret(device_id, secret)
    raise NotSignedIn("Send `Authorization: Bearer <JWT>`, or Basic with the device's id and secret.")


class _JSON(BaseContentNegotiation):
    """What is refused before the conversation hears of it is told in JSON, whatever the device accepts."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Rejection(serializers.Serializer[Any]):
    """A refusal: of the request, as everywhere here with a `title`, or of the message in it, as in docs/wire.md."""

    code = serializers.CharField(help_text="A word for programs, such as MALFORMED.")
    message = serializers.CharField(help_text="What is wrong here and what to do.")
    title = serializers.CharField(required=False, help_text="The code in words.")
    id = serializers.CharField(required=False, help_text="That of the message, if it had one.")
    retryAfter = serializers.IntegerField(required=False, help_text="Seconds.")  # noqa: N815


class _Binding(APIView):
    """One message of a device and its answer. `refusal` is the shape of every refusal."""

    topic: ClassVar = "For devices"
    refusal: ClassVar = Rejection
    authentication_classes = (DeviceAuthentication,)
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = _JSON

    @property
    def default_response_headers(self) -> dict[str, str]:
        known = self.request.method in self.allowed_methods
        return {} if known else {"Allow": ", ".join(self.allowed_methods)}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        let_go(request)
        return final

    def exchange(self, request: Request, verb: str, format: str, payload: bytes) -> HttpResponse:
        """Has the message stored and answered."""
        who = request.auth
        assert isinstance(who, SignedIn)
        topic = f"{settings.KEYSEED_MQTT_ROOT}/{who.device_id}/{format}/{verb}"
        message = Inbound(topic, payload, timezone.now(), overhead=OVERHEAD if format == "nrf" else 0)
        try:
            (answer,) = batches.handle([message])
        except (batches.DatabaseAway, ValueError):
            refused = rejection("INTERNAL")
            answer = Outbound(topic, codec.named(format).rejected(refused), refused=refused)
        response = _response(answer, format)
        # Django would log "later" as a failure of ours; the device's timeline has it.
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response


class Commands(_Binding):
    """What there is to do."""

    @extend_schema(
        operation_id="getDeviceCommands",
        parameters=[
            OpenApiParameter("after", description="The correlation id that was done last: a hint."),
            OpenApiParameter("rxMaxSize", int, description="Bytes that the device can receive."),
            OpenApiParameter("txMaxSize", int, description="Bytes that the device can send."),
            OpenApiParameter("limit", int, description="Most commands in the answer: 1 to 20."),
            OpenApiParameter("mver", description="Version of the modem's firmware."),
            OpenApiParameter("cver", description="Version of the device's software."),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/cbor"): OpenApiTypes.BINARY,
            204: None,
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """The commands that the device should do now, 204 if there are none; docs/wire.md has their shape."""
        format = _accepted(request.headers.get("Accept", ""))
        asked = _asked(request.query_params)
        encode = cbor2.dumps if format == "nrf" else lambda body: json.dumps(body).encode()
        return self.exchange(request, "get", format, encode(asked))


class Responses(_Binding):
    """What became of it."""

    media_types: ClassVar = tuple(FORMATS)

    @extend_schema(
        operation_id="postDeviceResults",
        request={"application/json": OpenApiTypes.OBJECT, "application/cbor": OpenApiTypes.BINARY},
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> HttpResponse:
        """Stores what became of commands, also if it is told twice; docs/wire.md has the shape."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        if media_type not in FORMATS:
            raise UnsupportedMediaType(media_type)
        return self.exchange(request, "results", FORMATS[media_type], request.body)


def _accepted(header: str) -> str:
    """The format of the answer. Raises `NotAcceptable`."""
    wanted = [one.partition(";")[0].strip().lower() for one in header.split(",")]
    for media_type, format in FORMATS.items():
        if media_type in wanted:
            return format
    if {"", "*/*", "application/*"}.isdisjoint(wanted):
        raise NotAcceptable
    return "json"


def _asked(query: Mapping[str, str]) -> dict[str, object]:
    """The query as the body of a `get`: what is no number there is refused as it would be in one."""
    asked: dict[str, object] = {name: _number(query[name]) for name in _NUMBERS if name in query}
    if isinstance(limit := asked.get("limit"), int):
        asked["limit"] = min(limit, limits.LIMIT.stop - 1)
    if after := query.get("after"):
        asked["after"] = after
    client = {name: query[name][: limits.CLIENT_TEXT] for name in ("mver", "cver") if name in query}
    return {**asked, "client": client}


_NUMBERS: Final = ("rxMaxSize", "txMaxSize", "limit")


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= limits.INTEGER_DIGITS else text


def _response(answer: Outbound, format: str) -> HttpResponse:
    headers = {"Cache-Control": "no-store"}
    refused = answer.refused
    status = STATUSES[format].get(refused.code, MALFORMED) if refused else 200
    if refused and refused.retry_after is not None and status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(ceil(refused.retry_after))
    if not refused and not answer.items and answer.topic.endswith("/commands"):
        status = HTTPStatus.NO_CONTENT
    if status == HTTPStatus.NO_CONTENT or not answer.payload:
        empty = HttpResponse(status=status, headers=headers)
        del empty.headers["Content-Type"]
        return empty
    return HttpResponse(answer.payload, MEDIA_TYPES[format], status, headers=headers)


class DeviceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a device signs in."""

    target_class = "provisioning.http.DeviceAuthentication"
    name = "device"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        about = "A JWT that one of the device's keys signed; or Basic with the device's id and secret."
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": about}
