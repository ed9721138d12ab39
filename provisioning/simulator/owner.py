"""The fleet owner's side, over REST, with the standard library alone. Blocking; threads may share it."""

import ipaddress
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

TRIES = 6
LONGEST_WAIT = 60.0  # seconds, whatever Retry-After says
TIMEOUT = 30.0  # seconds, of one try

# Worth another try: too many requests, and a proxy whose service is away for a moment.
PASSING = frozenset({429, 502, 503, 504})


class OwnerError(Exception):
    """The API did not do what was asked.

    Refused       it answered, and the answer is no
    Unreachable   it did not answer, however often it was asked
    """


class Refused(OwnerError):
    """`status` is HTTP's, `code` and `message` are the API's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class Unreachable(OwnerError):
    """Nobody answered at this address; says which and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API; `retry_after` in seconds."""

    status: int
    body: Any
    retry_after: float | None


class Owner:
    """Calls the API at `api` (`http://host:port`) with an API key. Raises OwnerError from every call."""

    def __init__(self, api: str, key: str, first_wait: float = 0.5) -> None:
        parts = urlsplit(api)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{api!r} is no address of an API: use http://host:port or https://host")
        self.api = api.rstrip("/")
        self.key = key
        self.first_wait = first_wait
        self.opener = _opener(parts.hostname)
        self.hurry = threading.Event()  # set it and no call waits for another try any more

    def check(self) -> None:
        """Raises OwnerError where nobody answers or the key does not open."""
        self._get("/v1/claimed-devices?pageLimit=1")

    def define(self, name: str, serial: str) -> str:
        """Define a device; its id."""
        made = self._post("/v1/claimed-devices", {"name": name, "serialNumber": serial})
        return str(made["id"])

    def password(self, device: str) -> str:
        """A new secret for the device to sign in with; an older one dies."""
        path = f"/v1/claimed-devices/{device}/credentials"
        for _ in range(TRIES):
            made = self._post(path, {"kind": "password"})
            # A secret is shown once: if that answer was lost, its repeat comes without, so make another.
            if "secret" in made:
                return str(made["secret"])
        raise Unreachable(f"the answers with a new secret for {device} were all lost")

    def add(self, device: str, commands: Sequence[Mapping[str, Any]]) -> None:
        """Put commands at the end of the device's list, all or none."""
        path = f"/v1/claimed-devices/{device}/provisioning/batch"
        self._post(path, {"commands": list(commands)})

    def device(self, device: str) -> Mapping[str, Any]:
        """The device object."""
        return self._get(f"/v1/claimed-devices/{device}")

    def commands(self, device: str) -> Sequence[Mapping[str, Any]]:
        """The device's current run, in order."""
        page = self._get(f"/v1/claimed-devices/{device}/provisioning?pageLimit=100")
        return list(page["items"])

    def csr(self, device: str) -> str | None:
        """The CSR that the device made in its current run, if it made one."""
        for command in self.commands(device):
            made = (command.get("response") or {}).get("certificateSigningRequest")
            if made:
                return str(made["csr"])
        return None

    def explain(self, device: str) -> Mapping[str, Any]:
        """The service's own word on why the device stands where it stands."""
        return self._get(f"/v1/claimed-devices/{device}/explain")

    def delete(self, device: str) -> None:
        """Unclaim the device. That it is gone already is no error."""
        try:
            self._call("DELETE", f"/v1/claimed-devices/{device}", None)
        except Refused as refusal:
            if refusal.status != 404:
                raise

    def _get(self, path: str) -> Mapping[str, Any]:
        return _mapping(self._call("GET", path, None))

    def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return _mapping(self._call("POST", path, body))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """One call, repeated while there is hope: the same key, so that nothing is made twice."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.api + path, data, headers, method=method)  # noqa: S310 - checked when it was made
        for attempt in range(TRIES):
            last = attempt == TRIES - 1 or self.hurry.is_set()
            try:
                answer = self._try(request)
            except (OSError, HTTPException) as error:
                if last:
                    raise Unreachable(f"{self.api} does not answer: {_reason(error)}") from error
                self.hurry.wait(self.first_wait * 2.0**attempt)
                continue
            if answer.status < 300:
                return answer.body
            if last or not _passing(answer):
                raise _refused(answer)
            wait = self.first_wait * 2.0**attempt if answer.retry_after is None else answer.retry_after
            self.hurry.wait(min(wait, LONGEST_WAIT))
        raise AssertionError("the last try returns or raises")

    def _try(self, request: Request) -> Answer:
        try:
            with self.opener.open(request, timeout=TIMEOUT) as response:
                return Answer(response.status, _json(response.read()), None)
        except HTTPError as error:
            with error:
                return Answer(error.code, _json(error.read()), _seconds(error.headers.get("Retry-After")))


def _opener(host: str) -> OpenerDirector:
    """A proxy set for the outer world has no way to this machine's own addresses."""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    return build_opener(ProxyHandler({})) if near else build_opener()


def _passing(answer: Answer) -> bool:
    return answer.status in PASSING or (answer.status == 409 and _field(answer.body, "code") == "IN_PROGRESS")


def _refused(answer: Answer) -> Refused:
    message = _field(answer.body, "message")
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    detail = f" {json.dumps(errors, ensure_ascii=False)}" if errors else ""
    return Refused(answer.status, _field(answer.body, "code"), message + detail)


def _field(body: Any, name: str) -> str:
    return str(body.get(name, "")) if isinstance(body, dict) else ""


def _mapping(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Unreachable("what answers there does not speak this API")
    return body


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload) if payload else None
    except ValueError:
        return None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; as a date, which this API never sends, it counts as none."""
    return float(text) if text is not None and text.isdecimal() else None


def _reason(error: Exception) -> object:
    return error.reason if isinstance(error, URLError) else error
