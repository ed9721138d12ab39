"""What every REST view is: roles and queries as data, and no answer that anybody may keep."""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import acting, pages
from tenants.auth import Caller, PlatformCaller, home
from tenants.errors import Refusal
from tenants.pages import Order
from tenants.roles import Platform, Role
from tenants.serializers import Nothing, Strict

Row = TypeVar("Row", bound=Model)

LEFT_MOST = 16 * 1024 * 1024

_left = 0


class Endpoint(APIView):
    """`roles` says who may call which method, `queries` what may stand behind the `?`, by method.

    `creates` are the methods that take an Idempotency-Key, `topic` is where the OpenAPI document has it.
    """

    topic: ClassVar[str]

    roles: ClassVar[Mapping[str, Role | Platform]] = {}
    queries: ClassVar[Mapping[str, type[Strict]]] = {}
    creates: ClassVar[Collection[str]] = ()
    http_method_names = ["get", "head", "post", "patch", "delete"]  # noqa: RUF012 - as its parent has it
    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _become(request.auth)
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            raise Refusal("INVALID", "Send the body in one piece, with its Content-Length.")
        method = "GET" if request.method == "HEAD" else str(request.method)
        self.query = _read(self.queries.get(method, Nothing), request.query_params)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        # Answers show secrets once, and always what only one tenant may see.
        final["Cache-Control"] = "no-store"
        let_go(request)
        return final

    def page(self, rows: QuerySet[Row], order: Order, shown: type[serializers.Serializer[Any]]) -> Response:
        """Answers with the page of `rows` that the query asks for. Raises `Refusal`."""
        request = self.request
        raw = {name: request.query_params.getlist(name) for name in request.query_params}
        wanted = pages.asked(self.query, raw, request.path, home(request))
        found, token = pages.page(rows, order, wanted)
        return Response({"items": shown(found, many=True).data, "pageNextToken": token})


def let_go(request: Request) -> None:
    """Has what bodies leave behind collected, once they come to `LEFT_MOST` bytes.

    The framework's requests and serializers point at themselves, so they stay until Python looks at all there is,
    which is hundreds of requests later. With bodies of a mebibyte, so would hundreds of mebibytes.
    """
    global _left  # noqa: PLW0603 - what this process has had
    length = str(request.META.get("CONTENT_LENGTH") or "")
    _left += int(length) if length.isdigit() else 0
    if _left > LEFT_MOST:
        _left = 0
        gc.collect()


def _become(caller: object) -> None:
    """From here on it is the key that acts."""
    match caller:
        case Caller():
            acting.become(acting.Kind.KEY, str(caller.key_id), caller.name, caller.tenant_id)
        case PlatformCaller():
            acting.become(acting.Kind.KEY, "", caller.by, None)


def _read(query: type[Strict], params: QueryDict) -> dict[str, Any]:
    """The checked query. Raises ValidationError."""
    repeatable = {name for name, field in query().fields.items() if isinstance(field, serializers.ListField)}
    twice = [name for name in params if name not in repeatable and len(params.getlist(name)) > 1]
    if twice:
        raise ValidationError({name[:64]: ["Must stand once in the address."] for name in twice})
    return query.read({name: params.getlist(name) if name in repeatable else params[name] for name in params})
