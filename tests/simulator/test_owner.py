"""The owner's calls survive a bad line and a busy service, and make nothing twice (API.md, Conventions)."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from provisioning.simulator.owner import TRIES, Owner, Refused, Unreachable

from .installation import KEY, Answer, Api


@pytest.fixture
def made() -> list[Any]:
    """Every thing that was made, once for each."""
    return []


@pytest.fixture
def api(made: list[Any]) -> Iterator[Api]:
    def act(method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "POST":
            made.append((path, body))
            return 201, {"id": str(uuid.uuid4()), "secret": f"secret {len(made)}"}
        if method == "DELETE":
            return 404, {"code": "NOT_FOUND", "message": "there is no such device"}
        return 200, {
            "items": [{"response": None}, {"response": {"certificateSigningRequest": {"csr": "PEM"}}}]
        }

    with Api(act) as running:
        yield running


@pytest.fixture
def owner(api: Api) -> Owner:
    return Owner(api.url, KEY, first_wait=0.001)


def test_calls_are_what_the_api_asks_for(owner: Owner, api: Api) -> None:
    device = owner.define("one", "S-1")
    secret = owner.password(device)
    owner.add(device, [{"description": "d", "request": {"finished": {}}}])
    assert secret == "secret 2"
    assert owner.csr(device) == "PEM"
    owner.device(device)
    owner.explain(device)
    owner.delete(device)
    assert api.calls == [
        ("POST", "/v1/claimed-devices", {"name": "one", "serialNumber": "S-1"}),
        ("POST", f"/v1/claimed-devices/{device}/credentials", {"kind": "password"}),
        (
            "POST",
            f"/v1/claimed-devices/{device}/provisioning/batch",
            {"commands": [{"description": "d", "request": {"finished": {}}}]},
        ),
        ("GET", f"/v1/claimed-devices/{device}/provisioning?pageLimit=100", None),
        ("GET", f"/v1/claimed-devices/{device}", None),
        ("GET", f"/v1/claimed-devices/{device}/explain", None),
        ("DELETE", f"/v1/claimed-devices/{device}", None),
    ]


def test_every_post_has_an_idempotency_key_of_its_own_and_a_repeat_has_the_same(
    owner: Owner, api: Api
) -> None:
    api.instead = [Answer(sever=True), Answer(503)]
    owner.define("one", "S-1")
    owner.define("two", "S-2")
    first, second, third, fourth = api.keys
    assert first == second == third
    assert fourth not in (None, first)


@pytest.mark.parametrize("answer", [Answer(sever=True), Answer(502), Answer(503), Answer(504), Answer(429)])
def test_what_passes_is_tried_again(owner: Owner, api: Api, answer: Answer) -> None:
    api.instead = [answer] * (TRIES - 1)
    owner.check()
    assert len(api.calls) == TRIES


def test_a_call_whose_answer_was_lost_takes_effect_once(owner: Owner, api: Api, made: list[Any]) -> None:
    api.instead = [Answer(sever=True, after=True)]
    owner.define("one", "S-1")
    assert len(made) == 1


def test_a_secret_whose_answer_was_lost_is_made_anew(owner: Owner, api: Api, made: list[Any]) -> None:
    api.instead = [Answer(sever=True, after=True)]
    assert owner.password("d") == "secret 2"
    assert len(made) == 2


def test_retry_after_is_honoured(owner: Owner, api: Api) -> None:
    api.instead = [Answer(429, headers={"Retry-After": "1"})]
    started = time.monotonic()
    owner.check()
    assert time.monotonic() - started >= 1


def test_a_post_that_is_still_running_is_asked_for_again(owner: Owner, api: Api) -> None:
    api.instead = [Answer(409, {"code": "IN_PROGRESS", "message": "wait"})]
    owner.define("one", "S-1")
    assert len(api.calls) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_a_no_is_a_no_with_its_reason(owner: Owner, api: Api, status: int) -> None:
    body = {"code": "A_CODE", "message": "do this", "errors": {"name": ["too long"]}}
    api.instead = [Answer(status, body)]
    with pytest.raises(Refused, match=r'A_CODE: do this \{"name": \["too long"\]\}') as caught:
        owner.define("one", "S-1")
    assert caught.value.status == status
    assert len(api.calls) == 1


def test_an_answer_that_is_no_json_is_still_a_refusal(api: Api) -> None:
    with pytest.raises(Refused, match="401"):
        Owner(api.url, "another key").check()


def test_after_so_many_tries_the_owner_gives_up_and_says_where(owner: Owner, api: Api) -> None:
    api.instead = [Answer(sever=True)] * TRIES
    with pytest.raises(Unreachable, match=api.url):
        owner.check()


def test_what_answers_but_does_not_speak_the_api_is_found_out(owner: Owner, api: Api) -> None:
    api.instead = [Answer(200)]
    with pytest.raises(Unreachable, match="does not speak this API"):
        owner.check()


def test_in_a_hurry_nothing_is_tried_again(owner: Owner, api: Api) -> None:
    api.instead = [Answer(503)] * 2
    owner.hurry.set()
    with pytest.raises(Refused, match="503"):
        owner.check()
    assert len(api.calls) == 1


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use http://host:port"):
        Owner(url, KEY)
