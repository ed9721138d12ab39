"""Where a request comes from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

NOWHERE = ""


def of(request: HttpRequest) -> str:
    """The caller's IP address, "" where it is not known.

    Behind our proxy (KEYSEED_HTTPS) it is the last of X-Forwarded-For: what stands before that, anybody can write.
    """
    given = str(request.META.get("REMOTE_ADDR", ""))
    if settings.KEYSEED_BEHIND_PROXY and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR")):
        given = str(forwarded).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        return NOWHERE
