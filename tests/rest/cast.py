"""The cast of every REST test: four keys of one tenant, and a stranger of another."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

from django.test import Client
from django.utils import timezone

from provisioning import conversation
from provisioning.messages import Inbound
from tenants import keys
from tenants.models import APIKey, Tenant
from tenants.roles import Role

DEVICES = "/v1/claimed-devices"


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is None where there was none."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        return str(self.body["message"])

    @property
    def fields(self) -> list[str]:
        """The fields that a refusal names."""
        return sorted(self.body.get("errors", {}))


@dataclass
class Person:
    """Somebody with an API key, who keeps every answer."""

    tenant: Tenant
    row: APIKey
    key: str
    heard: list[Answer] = field(default_factory=list)

    @property
    def role(self) -> Role:
        return Role(self.row.role)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body`: bytes as they are, text as CSV, None for none, else JSON. Underscores in headers are dashes."""
        data = body if isinstance(body, bytes) else b"" if body is None else _sent(body)
        sent = {"Authorization": f"Bearer {self.key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kind = sent.pop("Content-Type", "text/csv" if isinstance(body, str) else "application/json")
        answer = call(method, path, data, kind, sent)
        self.heard.append(answer)
        return answer

    def pages(self, path: str) -> Iterator[list[Any]]:
        """The items of every page from here."""
        token, joint = None, "&" if "?" in path else "?"
        while True:
            page = self.get(path + (f"{joint}pageNextToken={token}" if token else ""))
            assert page.status == 200, page.body
            yield page.body["items"]
            if (token := page.body["pageNextToken"]) is None:
                return

    def device(self, **fields: Any) -> str:
        """A device of this tenant; its id."""
        made = self.post(DEVICES, fields)
        assert made.status == 201, made.body
        return str(made.body["id"])

    def commands(self, device: str, *requests: dict[str, Any]) -> list[str]:
        """Commands at the end of the device's list; their ids."""
        body = {"commands": [{"request": request} for request in requests]}
        made = self.post(f"{DEVICES}/{device}/provisioning/batch", body)
        assert made.status == 201, made.body
        return [command["id"] for command in made.body["items"]]

    def owns(self, device: str) -> bool:
        return self.get(f"{DEVICES}/{device}").status == 200


def _sent(body: Any) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode()


@dataclass(frozen=True)
class Cast:
    """`stranger` is the owner of another tenant."""

    viewer: Person
    editor: Person
    admin: Person
    owner: Person
    stranger: Person

    @property
    def ours(self) -> list[Person]:
        return [self.viewer, self.editor, self.admin, self.owner]


def assemble() -> Cast:
    here = Tenant.objects.create(name="here")
    there = Tenant.objects.create(name="there")
    viewer, editor, admin, owner = (person(here, role) for role in Role)
    return Cast(viewer, editor, admin, owner, stranger=person(there, Role.OWNER))


def person(tenant: Tenant, role: Role) -> Person:
    row, key = keys.create(tenant, f"{role} of {tenant.name}", role)
    return Person(tenant, row, key)


def call(
    method: str,
    path: str,
    data: bytes = b"",
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request, over Django's whole stack but the server."""
    response = _client().generic(method, path, data, kind if data else "", headers=dict(headers or {}))
    content = response.getvalue()
    body = json.loads(content) if content and "json" in response.headers.get("Content-Type", "") else None
    return Answer(response.status_code, body, response.headers)


def page(path: str) -> tuple[int, str]:
    """Status and text of what a browser would get."""
    response = _client().get(path)
    return response.status_code, response.getvalue().decode(errors="replace")


@cache
def _client() -> Client:
    """One for all: its middleware is loaded once. That no static files are collected is no matter here."""
    client = Client(raise_request_exception=False)
    with warnings.catch_warnings(action="ignore"):
        client.handler.load_middleware()
    return client


@dataclass
class Board:
    """The other side: a device that pulls and answers, over the conversation itself."""

    id: str

    def pull(self, **options: Any) -> list[dict[str, Any]]:
        """The commands that it gets."""
        return list(self.say("get", options)["commands"])

    def answer(self, *results: dict[str, Any]) -> dict[str, Any]:
        return self.say("results", {"results": list(results)})

    def do_all(self) -> None:
        """Pulls and says ok to everything, as long as no key is asked for."""
        self.answer(*({"id": command["id"], "ok": True} for command in self.pull()))

    def fail(self, code: int = 2, message: str = "no") -> None:
        """Pulls and fails the first command."""
        error = {"code": code, "message": message}
        self.answer({"id": self.pull()[0]["id"], "ok": False, "error": error})

    def say(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        message = Inbound(f"prov/v1/{self.id}/json/{verb}", json.dumps(body).encode(), timezone.now())
        (out,) = conversation.converse([message])
        return dict(json.loads(out.payload))


CONFIG = {"config": {"interval": "60"}}
FINISHED: dict[str, Any] = {"finished": {}}
PSK = {"preSharedKey": {"secTag": 7, "identity": "pump", "secret": "5ec3e7" * 6}}


def unknown() -> str:
    """The id of nothing."""
    return str(uuid4())
