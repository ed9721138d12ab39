"""Requests as they are, over one connection, with the standard library alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from provisioning.isolation.bodies import Body
from provisioning.isolation.verdict import Answer

TIMEOUT = 30.0  # seconds
TRIES = 5
LONGEST_WAIT = 61.0  # seconds, whatever Retry-After says


class Unreachable(Exception):
    """Nobody answered, or too slowly; says where."""


class Refused(Exception):
    """The installation refused what the proof itself needs; says what."""


class API:
    """One installation. `waits` counts the seconds that it was asked to wait."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused(f"{url!r} is no address of an installation: use http://host:port or https://host")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._prefix = parts.path.rstrip("/")
        self.url = url
        self.waits = 0.0

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def send(
        self,
        method: str,
        path: str,
        key: str | None,
        body: Body = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer; waits where there were too many requests. Raises `Unreachable`."""
        headers = {"Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        data = None
        if body is not None:
            headers["Content-Type"] = "text/csv" if isinstance(body, str) else "application/json"
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
        address = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        for _ in range(TRIES):
            answer = self._try(method, address, data, headers)
            if answer.status != 429:
                return answer
            self._wait(answer)
        raise Unreachable(
            f"{self.url} asks to wait again and again: raise its limits of requests for the proof"
        )

    def made(self, method: str, path: str, key: str | None, body: Body = None) -> Any:
        """The JSON of an answer that must be a good one. Raises `Refused` and `Unreachable`."""
        answer = self.send(method, path, key, body)
        if not 200 <= answer.status < 300:
            raise Refused(
                f"{method} {path} was answered {answer.status}: {answer.content[:300].decode(errors='replace')}"
            )
        try:
            return json.loads(answer.content) if answer.content else None
        except ValueError:
            raise Refused(f"{method} {path} was answered with something that is no JSON") from None

    def _try(self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        for last in (False, True):
            begin = time.perf_counter()
            try:
                self._connection.request(method, address, data, dict(headers))
                got = self._connection.getresponse()
                content = got.read()
            except (OSError, HTTPException) as error:
                # A connection that was kept open may have ended meanwhile.
                self._connection.close()
                if last:
                    raise Unreachable(f"{self.url} does not answer: {error}") from error
                continue
            named = {name.lower(): text for name, text in got.getheaders()}
            return Answer(got.status, named, content, time.perf_counter() - begin)
        raise AssertionError("the last try returns or raises")

    def _wait(self, answer: Answer) -> None:
        asked = answer.headers.get("retry-after", "")
        seconds = min(float(asked) if asked.isdecimal() else 1.0, LONGEST_WAIT) + 0.5
        self.waits += seconds
        time.sleep(seconds)
