"""Lists in pages that cost the same wherever they are: a page begins behind the last row of the one before.

A page token is signed together with what the list was asked for, so that it opens no other list.
"""

# ruff: noqa: N815 - a field is called what JSON calls it

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import F, Field, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from tenants.errors import invalid
from tenants.serializers import Strict, Text

LIMIT, LIMIT_MOST = 50, 100

Row = TypeVar("Row", bound=Model)


class PageQuery(Strict):
    """What every list understands."""

    pageLimit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LIMIT_MOST,
        default=LIMIT,
        help_text="Most items in the answer.",
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value", "max_string_length"),
            f"Must be a whole number from 1 to {LIMIT_MOST}.",
        ),
    )
    pageNextToken = Text(
        required=False,
        max_length=1000,
        help_text="Where the page begins: `pageNextToken` of the page before, asked with the same filters.",
    )


@dataclass(frozen=True, slots=True)
class Order:
    """The columns by which a list is ordered, which together are unique, and which way."""

    columns: tuple[str, ...]
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of which list; `scope` tells one list from another, filters and all."""

    limit: int
    token: str | None
    scope: str


def asked(query: Mapping[str, Any], raw: Mapping[str, Any], path: str, tenant: object) -> Asked:
    """The page that a checked query asks for; `raw` is the query as it came."""
    filters = sorted((name, value) for name, value in raw.items() if name not in PageQuery().fields)
    return Asked(query["pageLimit"], query.get("pageNextToken"), f"{tenant} {path} {filters}")


def page(rows: QuerySet[Row], order: Order, wanted: Asked) -> tuple[list[Row], str | None]:
    """The page's rows and the token of the next, None behind the last. Raises `Refusal` INVALID."""
    prefix = "-" if order.newest_first else ""
    ordered = rows.order_by(*(prefix + column for column in order.columns))
    if wanted.token is not None:
        # A row comparison is what an index serves as one range; OR and AND of columns it would not be.
        behind = TupleLessThan if order.newest_first else TupleGreaterThan
        ordered = ordered.filter(behind(Tuple(*map(F, order.columns)), _place(rows, order, wanted)))
    found = list(ordered[: wanted.limit + 1])
    if len(found) <= wanted.limit:
        return found, None
    del found[wanted.limit :]
    return found, _token(found[-1], order, wanted.scope)


def _columns(model: type[Model], order: Order) -> list[Field[Any, Any]]:
    by_name = {column.name: column for column in model._meta.concrete_fields}  # noqa: SLF001 - Django's word
    return [by_name[name] for name in order.columns]


def _token(last: Model, order: Order, scope: str) -> str:
    return _signer(scope).sign_object([c.value_to_string(last) for c in _columns(type(last), order)])


def _place(rows: QuerySet[Row], order: Order, wanted: Asked) -> tuple[Any, ...]:
    try:
        place = _signer(wanted.scope).unsign_object(wanted.token or "")
    except (BadSignature, ValueError):
        raise invalid(
            "pageNextToken",
            "Must be the token of the page before, with the same filters. Begin again without it.",
        ) from None
    return tuple(c.to_python(text) for c, text in zip(_columns(rows.model, order), place, strict=True))


def _signer(scope: str) -> Signer:
    return Signer(salt=f"keyseed.page {scope}", sep=".")


def schema(name: str, item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The shape of a list's answer, for OpenAPI."""
    token = serializers.CharField(allow_null=True, help_text="null behind the last page.")
    return inline_serializer(name=name, fields={"items": item(many=True), "pageNextToken": token})
