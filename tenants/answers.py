"""Every refusal leaves in one shape, {"code", "title", "message", "errors"?}; `message` says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.request import UnreadablePostError
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from tenants.errors import CODES, Refusal

API = "/v1/"
"""Below this path everything answers JSON."""

NO_SUCH_ADDRESS = (
    "There is no such address: it has no slash at its end, and /v1/docs lists all that there are."
)


def on_exception(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """The answer to a refused request; None for what is no refusal, which is then logged and answered 500."""
    refusal = _refusal(exc, context)
    if refusal is None:
        return None
    headers = {}
    if isinstance(exc, exceptions.APIException):
        if challenge := getattr(exc, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(exc, "wait", None):
            headers["Retry-After"] = str(int(wait))
    return Response(body(refusal), status=refusal.http, headers=headers)


def body(refusal: Refusal) -> dict[str, object]:
    """The refusal as it is sent."""
    said: dict[str, object] = {
        "code": refusal.code,
        "title": CODES[refusal.code].title,
        "message": refusal.message,
    }
    if refusal.errors:
        said["errors"] = {field: list(reasons) for field, reasons in refusal.errors.items()}
    return said


def _refusal(exc: Exception, context: Mapping[str, Any]) -> Refusal | None:
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(exc)
    for kinds, code, message in _TABLE:
        if isinstance(exc, kinds):
            return Refusal(code, _said(message, exc, context))
    return None


def _said(message: Message, exc: Any, context: Mapping[str, Any]) -> str:
    if message is None:
        return str(exc.detail)
    return message if isinstance(message, str) else message(exc, context)


def _methods(exc: Any, context: Mapping[str, Any]) -> str:
    return f"{exc.detail} Use {' or '.join(context['view'].allowed_methods)}."


def _media_types(exc: Any, context: Mapping[str, Any]) -> str:
    view = context["view"]
    known = getattr(view, "media_types", None) or [parser.media_type for parser in view.parser_classes]
    return f"Send the body as Content-Type: {' or '.join(known)}."


Message = str | Callable[[Any, Mapping[str, Any]], str] | None
"""What to say: a text, what a function makes of the exception, or None for the exception's own words."""

_TABLE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, Message], ...] = (
    (exceptions.ParseError, "INVALID", None),
    (UnreadablePostError, "INVALID", "The body ended early: send it again."),
    ((exceptions.NotAuthenticated, exceptions.AuthenticationFailed), "UNAUTHENTICATED", None),
    (exceptions.PermissionDenied, "FORBIDDEN", None),
    (PermissionDenied, "FORBIDDEN", "This needs another role."),
    ((Http404, exceptions.NotFound), "NOT_FOUND", NO_SUCH_ADDRESS),
    (exceptions.MethodNotAllowed, "METHOD_NOT_ALLOWED", _methods),
    (
        exceptions.NotAcceptable,
        "NOT_ACCEPTABLE",
        "Answers are JSON: send Accept: application/json, or leave the header out.",
    ),
    (exceptions.UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", _media_types),
    (RequestDataTooBig, "TOO_LARGE", "The body is larger than 1 MiB: send less at once."),
    (exceptions.Throttled, "THROTTLED", "Wait as long as Retry-After says, in seconds."),
)


# ---- a serializer's findings, flattened


def _invalid(exc: exceptions.ValidationError) -> Refusal:
    errors: dict[str, list[str]] = {}
    for field, reason in _flat(exc.detail, ""):
        errors.setdefault(field, []).append(reason)
    field, reasons = next(iter(errors.items()))
    return Refusal("INVALID", f"{field}: {reasons[0]}" if field else reasons[0], errors)


def _flat(detail: object, at: str) -> Iterator[tuple[str, str]]:
    """Every reason with the path of its field, such as `commands[2].description`."""
    if isinstance(detail, Mapping):
        for name, below in detail.items():
            yield from _flat(below, _path(at, name))
    elif isinstance(detail, list):
        for place, below in enumerate(detail):
            deeper = isinstance(below, Mapping | list)
            yield from _flat(below, f"{at}[{place}]" if deeper else at)
    else:
        yield at, str(detail)


def _path(at: str, name: object) -> str:
    if isinstance(name, int):
        return f"{at}[{name}]"
    if name == "non_field_errors":
        return at
    return f"{at}.{name}" if at else str(name)


# ---- what Django answers itself, without a view of ours


@csrf_exempt
def no_such_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    """404 for every address below /v1/ that no view has."""
    return _json(Refusal("NOT_FOUND", NO_SUCH_ADDRESS))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400`: what Django refused before any view was asked, such as an unknown Host."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return _json(Refusal("INVALID", "The request is not valid: check its Host header and its address."))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500`: nothing of what happened is told but that it did; the log has the rest."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return _json(
        Refusal("INTERNAL", "Try again in a moment. If it stays, its operator finds the reason in the log.")
    )


def _json(refusal: Refusal) -> HttpResponse:
    return JsonResponse(body(refusal), status=refusal.http, headers={"Cache-Control": "no-store"})
