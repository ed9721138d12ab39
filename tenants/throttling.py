"""How many requests a minute: of one API key, and of one address that proves nothing.

Counted in Django's cache, in windows of a minute. A cache that is away lets everybody in: it must not be what takes
REST down. Without Redis each process counts for itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.cache import BaseCache, caches
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from tenants import addresses

if TYPE_CHECKING:  # the framework's views import this module
    from rest_framework.views import APIView

WINDOW = 60
PAUSE_SECONDS = 1.0
"""After the cache did not answer, nobody else waits for it for that long."""

log = logging.getLogger(__name__)
_paused_until = 0.0


class KeyThrottle(BaseThrottle):
    """So many requests a minute of one API key. Source: KEYSEED_KEY_RATE."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        key_id = getattr(request.auth, "key_id", None)
        if key_id is None:
            return True
        self._wait = _over(f"key:{key_id}", settings.KEYSEED_KEY_RATE, count=True)
        return self._wait is None

    def wait(self) -> float | None:
        return self._wait


class SignInThrottle:
    """Holds up who guesses operators' passwords at the admin's sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and request.path == reverse("admin:login"):
            wait = _over(_stranger(request), settings.KEYSEED_STRANGER_RATE, count=False)
            if wait is not None:
                return _later(wait)
        return self._get_response(request)


def _later(wait: float) -> HttpResponse:
    seconds = ceil(wait)
    told = f"Too many sign-ins from your address went wrong. Try again in {seconds} seconds.\n"
    return HttpResponse(told, "text/plain", 429, headers={"Retry-After": str(seconds)})


@receiver(user_login_failed)
def _note_failed_sign_in(request: HttpRequest | None = None, **kwargs: object) -> None:
    if request is not None:
        note_stranger(request)


def refuse_stranger(request: HttpRequest) -> None:
    """Counts a request that proved nothing. Raises `Throttled` where its address sent too many of them.

    Who proves something is let in whatever others did at that address: a whole fleet may share it.
    """
    wait = note_stranger(request)
    if wait is not None:
        raise Throttled(wait)


def note_stranger(request: HttpRequest) -> float | None:
    """Counts a request that proved nothing; the seconds to wait where its address sent too many of them."""
    return _over(_stranger(request), settings.KEYSEED_STRANGER_RATE, count=True)


def _stranger(request: HttpRequest) -> str:
    return f"stranger:{addresses.of(request)}"


def _over(who: str, most: int, *, count: bool) -> float | None:
    """The seconds until the next window where this one has its `most`, else None. `most` 0: no limit."""
    global _paused_until  # noqa: PLW0603 - what this process knows of the cache
    now = time.time()
    if not most or time.monotonic() < _paused_until:
        return None
    name = f"throttle:{who}:{int(now // WINDOW)}"
    try:
        seen = _counted(name) if count else int(_cache().get(name, 0)) + 1
    except Exception as error:  # noqa: BLE001 - whatever the cache has, requests go on
        _paused_until = time.monotonic() + PAUSE_SECONDS
        log.warning("The cache does not answer (%s): requests are not counted", type(error).__name__)
        return None
    return WINDOW - now % WINDOW if seen > most else None


def _cache() -> BaseCache:
    return caches["requests"]


def _counted(name: str) -> int:
    if _cache().add(name, 1, WINDOW):
        return 1
    try:
        return int(_cache().incr(name))
    except ValueError:  # it went between the two
        return 1
