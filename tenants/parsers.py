"""What comes in as a body is one strict JSON object, or it is refused before anybody looks at it."""

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

DEPTH_MOST = 16
"""Levels of nesting. The deepest honest body has six; recursion in whoever reads it stays shallow."""

INTEGER_MOST = 2**63 - 1


class StrictJSONParser(JSONParser):
    """UTF-8, no key twice, no NaN, no text that PostgreSQL cannot store. Raises ParseError."""

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


class Negotiation(DefaultContentNegotiation):
    """A body that does not say what it is gets the view's first parser, which refuses what it cannot read."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        if not request.content_type:
            return next(iter(parsers))
        chosen: BaseParser | None = super().select_parser(request, parsers)
        return chosen


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ParseError(f"The key {twice[:64]!r} stands twice in one object: send it once.")
    return made


def _constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not JSON: send a finite number or null.")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -INTEGER_MOST <= int(digits) <= INTEGER_MOST:
        raise ParseError("A whole number in the body does not fit 64 bits.")
    return int(digits)


def _check(value: object) -> None:
    """Level by level rather than by recursion, so that depth needs no stack."""
    level, depth = [value], 0
    while level:
        below: list[object] = []
        for one in level:
            if isinstance(one, (dict, list)):
                below.extend(one)
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, str):
                _check_text(one)
            elif isinstance(one, float) and not math.isfinite(one):
                raise ParseError("A number in the body is too large for a 64-bit float.")
        depth += any(isinstance(one, (dict, list)) for one in level)
        if depth > DEPTH_MOST:
            raise _too_deep()
        level = below


def _check_text(text: str) -> None:
    if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise ParseError("A text in the body holds a NUL or half a surrogate pair: send neither.")


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {DEPTH_MOST} levels: flatten it.")
