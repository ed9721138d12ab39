"""A fleet owner's client: `http.client`, and nothing that would hide what was sent or answered."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

JSON = "application/json"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON of the answer; None if it has no body."""
        return json.loads(self.content) if self.content else None

    def made(self) -> Any:
        """The body of a 2xx."""
        assert 200 <= self.status < 300, f"{self.status} {self.content[:600]!r}"
        return self.body

    def refused(self, status: int, code: str | None = None) -> Any:
        """The body of a refusal, which has the shape that every error has (API.md, Conventions)."""
        assert self.status == status, f"{self.status} is not {status}: {self.content[:600]!r}"
        assert self.headers["content-type"].startswith(JSON), self.headers["content-type"]
        body = self.body
        assert {"code", "title", "message"} <= set(body) <= {"code", "title", "message", "errors"}, body
        assert all(isinstance(body[name], str) and body[name] for name in ("code", "title", "message")), body
        for texts in body.get("errors", {}).values():
            assert texts, body
            assert all(isinstance(text, str) and text for text in texts), body
        if code is not None:
            assert body["code"] == code, body
        return body


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever holds an API key."""

    port: int
    key: str | None
    extra: Mapping[str, str] = field(default_factory=dict)

    def send(
        self,
        method: str,
        path: str,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """Send exactly this."""
        said = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
        said |= dict(self.extra) | dict(headers or {})
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=raw, headers=said)
            answer = connection.getresponse()
            content = answer.read()
            return Answer(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, content
            )
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        """GET; a query value that is a list is given several times."""
        text = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        return self.send("GET", f"{path}?{text}" if text else path)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST of JSON, or of nothing."""
        raw = None if body is None else json.dumps(body).encode()
        return self.send(
            "POST", path, raw, ({"Content-Type": JSON} if raw is not None else {}) | dict(headers or {})
        )

    def patch(self, path: str, body: Any) -> Answer:
        """PATCH of JSON."""
        return self.send("PATCH", path, json.dumps(body).encode(), {"Content-Type": JSON})

    def delete(self, path: str) -> Answer:
        """DELETE."""
        return self.send("DELETE", path)

    def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of every page."""
        items: list[Any] = []
        token: str | None = None
        while True:
            page = self.get(path, pageNextToken=token, **query).made()
            items += page["items"]
            token = page["pageNextToken"]
            if token is None:
                return items
