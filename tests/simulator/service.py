"""A tiny service for one device, as WIRE.md says and no cleverer: the other end for tests of the client."""

import json
from dataclasses import dataclass, field
from typing import Any

import cbor2

ID = "0b7a6c1e-52a0-4f0e-9a53-6f1f6f6c2b11"
ROOT = "prov/v1"


@dataclass
class Row:
    """One command of the list."""

    number: int
    type: str
    params: dict[str, Any]
    attempt: int = 0
    state: str = "PENDING"
    result: dict[str, Any] | None = None
    stored: int = 0

    @property
    def correlation(self) -> str:
        return f"command-{self.number}.{self.attempt:x}"


@dataclass
class Service:
    """`refusals` are given, first one first, instead of answers; None among them is an answer."""

    form: str = "json"
    device: str = ID
    limit: int = 10
    rows: list[Row] = field(default_factory=list)
    refusals: list[dict[str, Any] | None] = field(default_factory=list)
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    conflicts: int = 0

    def add(self, *commands: tuple[str, dict[str, Any]]) -> None:
        for kind, params in commands:
            self.rows.append(Row(len(self.rows), kind, params))

    def reset(self, row: Row) -> None:
        row.attempt += 1
        row.state = "PENDING"
        row.result = None

    def notify(self, within: float) -> tuple[str, bytes]:
        body = {"pending": len(self.open_rows()), "within": within}
        return f"{ROOT}/{self.device}/notify", json.dumps(body).encode()

    def receive(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        """What the service answers; topics and payloads as on the wire."""
        verb = topic.rpartition("/")[2]
        assert topic == self.topic(verb)
        try:
            body = self.load(payload)
        except (ValueError, EOFError, cbor2.CBORDecodeError):
            return [self.send("rejected", {"code": "MALFORMED", "message": "cannot be read"})]
        self.heard.append((verb, body))
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            return [self.send("rejected", {"id": body["id"], "message": "refused", **refusal})]
        if verb == "get":
            return [self.send("commands", {"id": body["id"], **self.serve()})]
        return [self.send("accepted", {"id": body["id"], **self.store(body["results"])})]

    def serve(self) -> dict[str, Any]:
        served = self.next_rows()
        for row in served:
            row.state = "IN_PROGRESS"
        commands = [{"id": row.correlation, "type": row.type, "params": row.params} for row in served]
        pending = 0 if self.failed() else len(self.open_rows()) - len(served)
        return {"status": self.status(), "commands": commands, "pending": pending}

    def store(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        words = {result["id"]: self.store_one(result) for result in results}
        pending = 0 if self.failed() else len(self.open_rows())
        return {"status": self.status(), "results": words, "pending": pending}

    def store_one(self, result: dict[str, Any]) -> str:
        number, _, attempt = result["id"].removeprefix("command-").partition(".")
        if not number.isdecimal() or int(number) >= len(self.rows):
            return "unknown"
        row = self.rows[int(number)]
        if int(attempt, 16) != row.attempt:
            return "stale"
        if row.result == result:
            return "duplicate"
        if row.result is not None:
            self.conflicts += 1
            return "conflict"
        if row.type == "finished" and any(before.state != "SUCCEEDED" for before in self.rows[: row.number]):
            return "early"
        row.result = result
        row.stored += 1
        row.state = "SUCCEEDED" if result["ok"] else "FAILED"
        return "stored"

    def status(self) -> str:
        if self.failed():
            return "ERROR"
        if self.rows and all(row.state == "SUCCEEDED" for row in self.rows):
            return "PROVISIONED" if self.rows[-1].type == "finished" else "AWAITING"
        return "READY" if all(row.state == "PENDING" for row in self.rows) else "PROVISIONING"

    def failed(self) -> bool:
        return any(row.state == "FAILED" for row in self.rows)

    def open_rows(self) -> list[Row]:
        return [row for row in self.rows if row.state in {"PENDING", "IN_PROGRESS"}]

    def next_rows(self) -> list[Row]:
        """In order, at most `limit`, and `finished` last (WIRE.md 2.3, 2.4)."""
        rows: list[Row] = []
        for row in [] if self.failed() else self.open_rows()[: self.limit]:
            rows.append(row)
            if row.type == "finished":
                break
        return rows

    def topic(self, verb: str) -> str:
        return f"{ROOT}/{self.device}/{self.form}/{verb}"

    def send(self, verb: str, body: dict[str, Any]) -> tuple[str, bytes]:
        payload = cbor2.dumps(body) if self.form == "cbor" else json.dumps(body).encode()
        return self.topic(verb), payload

    def load(self, payload: bytes) -> dict[str, Any]:
        """Raises ValueError on what is no request; this end takes only requests that have an id."""
        body = cbor2.loads(payload) if self.form == "cbor" else json.loads(payload, object_pairs_hook=once)
        if not isinstance(body, dict) or not isinstance(body.get("id"), str):
            raise ValueError("no request")
        if not isinstance(body.get("results", []), list):
            raise ValueError("no results")
        return body


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A map, unless a key is in it twice (WIRE.md 4.2)."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)
