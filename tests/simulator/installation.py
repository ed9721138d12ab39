"""A tiny installation for tests of the fleet: REST from the standard library, devices over a real broker."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers.mosquitto import Mosquitto

from .service import ROOT, Service

KEY = "an editor's key"
GATEWAY = "gateway"
PASSWORD = base64.b64encode(b"gateway").decode()
ACCESS = f"""\
user {GATEWAY}
topic readwrite {ROOT}/#
pattern write {ROOT}/%u/+/get
pattern write {ROOT}/%u/+/results
pattern read {ROOT}/%u/#
"""


@dataclass
class Answer:
    """What the API says in place of its own answer; `sever` hangs up without a word."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    sever: bool = False
    after: bool = False  # the call takes effect before the answer is lost


class Api:
    """Calls `act` for each request; `instead` holds answers to give in its place, first one first."""

    def __init__(self, act: Callable[[str, str, Any], tuple[int, Any]]) -> None:
        self.act = act
        self.instead: list[Answer] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.keys: list[str | None] = []
        self.kept: dict[str, Any] = {}
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                api.handle(self)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the library's names

            def log_message(self, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Api":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        size = int(request.headers.get("Content-Length", 0))
        body = json.loads(request.rfile.read(size)) if size else None
        with self.lock:
            self.calls.append((request.command, request.path, body))
            self.keys.append(request.headers.get("Idempotency-Key"))
            instead = self.instead.pop(0) if self.instead else None
            if instead is not None and not instead.after:
                return self.answer(request, instead)
            if request.headers.get("Authorization") != f"Bearer {KEY}":
                return self.answer(request, Answer(401, {"code": "UNAUTHENTICATED", "message": "use a key"}))
            status, made = self.once(request.headers.get("Idempotency-Key"), request, body)
            return self.answer(request, instead or Answer(status, made))

    def once(self, key: str | None, request: BaseHTTPRequestHandler, body: Any) -> tuple[int, Any]:
        """A repeat renders what was made, without its secret (API.md, Conventions)."""
        if key is None:
            return self.act(request.command, request.path, body)
        if key in self.kept:
            return 201, {name: value for name, value in self.kept[key].items() if name != "secret"}
        status, made = self.act(request.command, request.path, body)
        self.kept[key] = made
        return status, made

    def answer(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.sever:
            request.connection.close()
            request.close_connection = True
            return
        payload = b"" if answer.body is None else json.dumps(answer.body).encode()
        request.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(payload))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(payload)


class Installation:
    """Devices that the API makes sign in at `broker` and are served there.

    Their ids and secrets are chosen beforehand and known to the broker, which so need not be told of each.
    """

    def __init__(self, broker: Mosquitto, secrets: dict[str, str]) -> None:
        self.broker = broker
        self.secrets = secrets
        self.unused = iter(secrets)
        self.services: dict[str, Service] = {}
        self.seen: dict[str, Service] = {}  # those that were deleted, too
        self.api = Api(self.act)
        self.ready = threading.Event()
        self.gateway = mqtt.Client(CallbackAPIVersion.VERSION2, "gateway")
        self.gateway.username_pw_set(GATEWAY, PASSWORD)
        self.gateway.on_message = self.on_message
        self.gateway.on_connect = self.on_connect
        self.gateway.on_subscribe = lambda *_: self.ready.set()
        self.gateway.reconnect_delay_set(min_delay=1, max_delay=1)

    def __enter__(self) -> "Installation":
        self.gateway.connect("127.0.0.1", self.broker.port)
        self.gateway.loop_start()
        assert self.ready.wait(10)
        self.api.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.api.__exit__()
        self.gateway.disconnect()
        self.gateway.loop_stop()

    def on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(f"{ROOT}/+/+/get", 1), (f"{ROOT}/+/+/results", 1)])

    def on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        _, _, device, form, _ = message.topic.split("/")
        service = self.seen[device]
        service.form = form
        for topic, payload in service.receive(message.topic, bytes(message.payload)):
            self.gateway.publish(topic, payload, qos=1)

    def act(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = path.partition("?")[0].strip("/").split("/")[2:]
        if not parts:
            return self.make() if method == "POST" else (200, {"items": [], "pageNextToken": None})
        service = self.services.get(parts[0])
        if service is None:
            return 404, {"code": "NOT_FOUND", "message": "there is no such device"}
        match method, parts[1:]:
            case "DELETE", []:
                del self.services[parts[0]]
                return 204, None
            case "GET", []:
                return 200, {"id": parts[0], "status": service.status()}
            case "GET", ["explain"]:
                return 200, {"status": service.status(), "why": "A command failed.", "next": "Reset it."}
            case "POST", ["credentials"]:
                return 201, {"id": "c", "kind": "password", "secret": self.secrets[parts[0]]}
            case "POST", ["provisioning", "batch"]:
                return self.add(service, body["commands"])
            case "GET", ["provisioning"]:
                return 200, {"items": [rendered(row) for row in service.rows], "pageNextToken": None}
        return 405, {"code": "METHOD", "message": "not here"}

    def make(self) -> tuple[int, Any]:
        device = next(self.unused)
        self.services[device] = self.seen[device] = Service(device=device)
        return 201, {"id": device, "status": "READY"}

    def add(self, service: Service, commands: list[dict[str, Any]]) -> tuple[int, Any]:
        for command in commands:
            ((kind, params),) = command["request"].items()
            service.add((kind, params))
        topic, payload = service.notify(0)
        self.gateway.publish(topic, payload, qos=1)
        return 201, {"commands": [rendered(row) for row in service.rows]}


def rendered(row: Any) -> dict[str, Any]:
    """The command object, as far as it matters here."""
    value = (row.result or {}).get("value")
    return {"status": row.state, "response": None if value is None else {row.type: value}}
