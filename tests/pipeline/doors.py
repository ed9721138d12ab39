"""Every door through which a secret comes into an installation, each with a secret of its own."""

from __future__ import annotations

import http.cookiejar
import json
import re
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.pki import make

PASSWORD = "Planted/pass word+of {}: 7f3a9c51"


def psk() -> str:
    """A pre-shared key that nobody else has."""
    return secrets.token_hex(32)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Caller:
    """Somebody who calls over HTTP; `told` has all answers but those that show a new secret once."""

    def __init__(self, port: int) -> None:
        self.at = f"http://127.0.0.1:{port}"
        self.told: dict[str, list[bytes]] = {}
        self.statuses: dict[str, int] = {}
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._jar = jar.cookiejar
        self._opener = urllib.request.build_opener(jar, _Stay())

    def send(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str] | None = None,
        *,
        shown: bool = False,
    ) -> tuple[int, bytes]:
        """Status and body; `shown`: the body is meant to show a secret."""
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        request = urllib.request.Request(self.at + path, data, named, method=method)
        try:
            with self._opener.open(request, timeout=30) as answer:
                status, body, head = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as refused:
            status, body, head = refused.code, refused.read(), refused.headers
        kept = str(head).encode() + (b"" if shown else body)
        place = f"{method} {path.partition('?')[0]}"
        self.told.setdefault(place, []).append(kept)
        self.statuses[place] = status
        return status, body

    # ---- REST

    def rest(
        self, method: str, path: str, body: object = None, key: str = "", *, shown: bool = False, **more: str
    ) -> Any:
        """What REST answers, as JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content_Type": "application/json", **more}
        _, text = self.send(method, f"/v1{path}", data, headers, shown=shown)
        return json.loads(text) if text else None

    # ---- the admin

    def post_form(self, path: str, fields: dict[str, str], shown: bool = False) -> tuple[int, str]:
        """Looks at the form and sends it."""
        self.send("GET", path, None)
        token = next((cookie.value or "" for cookie in self._jar if cookie.name == "csrftoken"), "")
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        status, body = self.send("POST", path, data, {"Referer": self.at + path}, shown=shown)
        return status, body.decode()

    def crawl(self, most: int = 80) -> list[str]:
        """Looks at every page of the admin that links lead to; returns their addresses."""
        seen, waiting = set[str](), ["/admin/"]
        while waiting and len(seen) < most:
            path = waiting.pop(0)
            if path in seen or "logout" in path:
                continue
            seen.add(path)
            _, body = self.send("GET", path, None)
            links = re.findall(r'href="(/admin/[^"#?]*)', body.decode(errors="replace"))
            waiting += [link for link in dict.fromkeys(links) if link not in seen]
        return sorted(seen)


def shown_once(page: str) -> str:
    """The secret that a page of the admin shows."""
    found = re.search(r'id="secret">([^<]+)<', page)
    assert found, page[-2000:]
    return found[1]


def private_key(password: str) -> dict[str, Any]:
    """A command with an encrypted private key."""
    return {
        "clientPrivateKey": {
            "secTag": 9,
            "content": make.encrypted(make.p256(), password),
            "password": password,
        }
    }


def shared(secret: str, tag: int = 5) -> dict[str, object]:
    """A command with a pre-shared key."""
    return {"preSharedKey": {"secTag": tag, "identity": "pump-17", "secret": secret}}


def token(device_id: str, key: make.Signer) -> str:
    """A device's JWT."""
    now = int(time.time())
    return make.jws(key, {"iss": f"nRF9160.{device_id}", "iat": now, "exp": now + 300})


def body_of(command: dict[str, Any]) -> str:
    """A line of the key in it, which no line break or escape can hide."""
    return str(command["clientPrivateKey"]["content"]).splitlines()[2]


def quoted(text: str) -> str:
    """As in an address."""
    return urllib.parse.quote(text, safe="")


def form(fields: dict[str, str]) -> bytes:
    """As a form is sent."""
    return urllib.parse.urlencode(fields).encode()
