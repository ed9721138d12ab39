"""What comes in as a body is one strict JSON object, or the text of a CSV file where a view takes one.

Anything else is refused before anybody looks at it.
"""

from __future__ import annotations

import codecs
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request

from tenants.errors import invalid

DEPTH_MOST = 16
"""Levels of nesting. The deepest honest body has six; recursion in whoever reads it stays shallow."""

INTEGER_MOST = 2**63 - 1
INTEGER_DIGITS = 20


class StrictJSONParser(JSONParser):
    """UTF-8, no key twice, no NaN, no text that PostgreSQL cannot store. Raises ParseError and `Refusal`."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = stream.read()
        if body.startswith(codecs.BOM_UTF8):
            raise ParseError("The body begins with a byte order mark: send UTF-8 without one.")
        try:
            value = json.loads(
                body.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
            )
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8: encode it so.") from None
        except RecursionError:
            raise _too_deep() from None
        except json.JSONDecodeError as wrong:
            raise ParseError(
                f"The body is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}."
            ) from None
        _check(value)
        if not isinstance(value, dict):
            raise ParseError("The body must be a JSON object, in braces.")
        return value


class CSVParser(BaseParser):
    """The text of a CSV file, rows and all unread: UTF-8, at most 1 MiB. Raises ParseError."""

    media_type = "text/csv"

    def parse(  # type: ignore[override]  # the framework takes whatever is returned
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> str:
        # The stream would have no limit; the body has Django's.
        body: bytes = parser_context["request"].body if parser_context else stream.read()
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8: encode it so.") from None
        if "\0" in text:
            raise ParseError("The body holds a NUL: send the rows as plain text.")
        return text


class PlainParser(CSVParser):
    """The same, from a client that calls it plain text."""

    media_type = "text/plain"


class Negotiation(DefaultContentNegotiation):
    """A body that does not say what it is gets the view's first parser, which refuses what it cannot read.

    Where a view takes CSV, a header literally named `contentType` says so as well, as nRF Cloud's clients send it,
    and so does a body that does not begin as a JSON object. Source: docs/nrf-cloud.md.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        parsers = list(parsers)
        csv = next((parser for parser in parsers if isinstance(parser, CSVParser)), None)
        if csv is not None and _is_csv(request):
            return csv
        if not request.content_type:
            return parsers[0]
        chosen: BaseParser | None = super().select_parser(request, parsers)
        return chosen


def csv_of(request: Request) -> str | None:
    """The body's text if it is CSV, None if it is a JSON object. Only for views that have a `CSVParser`."""
    data: object = request.data
    if isinstance(data, str):
        return data
    # An empty body is not parsed at all: only its headers tell.
    called = _is_csv(request) or request.content_type.lower().startswith(CSVParser.media_type)
    return "" if called and not data else None


def _is_csv(request: Request) -> bool:
    said = request.META.get("HTTP_CONTENTTYPE", "").partition(";")[0].strip().lower()
    if said == CSVParser.media_type:
        return True
    begin = b"" if request.content_type else request.body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return begin not in (b"", b"{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ParseError(f"The key {twice[:64]!r} stands twice in one object: send it once.")
    return made


def _constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON: send a finite number or null.")


def _integer(digits: str) -> float:
    """A number that no field takes stays one: `_check` knows where in the body it stands."""
    return int(digits) if len(digits) <= INTEGER_DIGITS else math.inf


def _check(value: object) -> None:
    """Level by level rather than by recursion, so that depth needs no stack."""
    level, depth = [("", value)], 0
    while level:
        for path, one in level:
            if (wrong := _wrong(one)) is not None:
                raise invalid(path or "body", wrong)
        depth += any(isinstance(one, (dict, list)) for _, one in level)
        if depth > DEPTH_MOST:
            raise _too_deep()
        level = [inner for path, one in level for inner in _inner(path, one)]


def _inner(path: str, value: object) -> list[tuple[str, object]]:
    """What an object or a list holds, each with where it stands: `commands[2].request`."""
    if isinstance(value, dict):
        return [(f"{path}.{name}".lstrip("."), one) for name, one in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{place}]", one) for place, one in enumerate(value)]
    return []


def _wrong(value: object) -> str | None:
    """Why neither the database nor a device can take this value, None if they can."""
    if isinstance(value, str):
        return None if _clean(value) else "Holds a NUL or half a surrogate pair: send neither."
    if isinstance(value, dict):
        unclean = any(not _clean(name) for name in value)
        return "A name in it holds a NUL or half a surrogate pair: send neither." if unclean else None
    if isinstance(value, float) and not math.isfinite(value):
        return "The number does not fit 64 bits."
    if isinstance(value, int) and not -INTEGER_MOST <= value <= INTEGER_MOST:
        return "The whole number does not fit 64 bits."
    return None


def _clean(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {DEPTH_MOST} levels: flatten it.")
