"""A POST with an Idempotency-Key makes its thing once, however often it is sent."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone
from rest_framework.request import Request

from commands.models import Command, Rule
from devices.models import BulkRequest, Credential, Device
from tenants.auth import Caller
from tenants.idempotency import Made, create
from tenants.models import APIKey, IdempotentAnswer, Member, Webhook
from tenants.parsers import StrictJSONParser
from tests.pki.make import p256
from tests.rest.cast import CONFIG, DEVICES, FINISHED, Answer, Cast
from tests.rest.material import public_pem
from tests.rest.routes import BODIES, CALLS, Route

MADE = (Device, Command, Credential, APIKey, Rule, BulkRequest, Webhook, Member)
CREATES = [(route, method) for route, method in CALLS if method in route.view.creates]


def path(route: Route, device: str) -> str:
    return route.path({"device_id": device})


@pytest.mark.parametrize(("route", "method"), CREATES, ids=[route.name for route, _ in CREATES])
def test_the_same_request_again_is_answered_the_same(
    cast: Cast, device: str, route: Route, method: str
) -> None:
    body = BODIES[route.name, method]
    first = cast.owner.post(path(route, device), body, Idempotency_Key="k-1")
    counts = [model.objects.count() for model in MADE]
    again = cast.owner.post(path(route, device), body, Idempotency_Key="k-1")
    assert first.status == again.status == (202 if "bulkOpsRequestId" in first.body else 201)
    assert [model.objects.count() for model in MADE] == counts
    secret = {"key", "secret", "password"} & set(first.body)
    shown = {name: first.body[name] for name in first.body if name not in secret}
    assert again.body == ({**shown, "secretShown": True} if secret else shown)
    other = cast.owner.post(path(route, device), body, Idempotency_Key="k-2")
    if route.name in ("rules", "members"):
        assert other.body["code"] == "NAME_TAKEN"
        return
    assert other.status == first.status
    assert other.body != first.body


def test_every_post_that_makes_something_takes_a_key() -> None:
    wanted = {
        "devices",
        "credentials",
        "commands",
        "batch",
        "api-keys",
        "rules",
        "bulk-claims",
        "onboarding",
        "webhooks",
        "members",
    }
    assert {route.name for route, _ in CREATES} == wanted


def test_a_repetition_shows_the_thing_as_it_is_now(cast: Cast) -> None:
    made = cast.editor.post(DEVICES, {"name": "a"}, Idempotency_Key="k").body
    cast.editor.patch(f"{DEVICES}/{made['id']}", {"name": "b"})
    assert cast.editor.post(DEVICES, {"name": "a"}, Idempotency_Key="k").body == {**made, "name": "b"}


def test_a_public_key_has_no_secret_that_was_shown(cast: Cast, device: str) -> None:
    body = {"kind": "publicKey", "publicKey": public_pem(p256())}
    first = cast.editor.post(f"{DEVICES}/{device}/credentials", body, Idempotency_Key="k")
    again = cast.editor.post(f"{DEVICES}/{device}/credentials", body, Idempotency_Key="k")
    assert again.body == first.body


def test_the_same_body_written_otherwise_is_the_same(cast: Cast) -> None:
    first = cast.editor.post(DEVICES, b'{"name": "a", "tags": []}', Idempotency_Key="k")
    again = cast.editor.post(DEVICES, b'{"tags":[],"name":"\\u0061"}', Idempotency_Key="k")
    assert again.body == first.body


def test_another_body_is_refused(cast: Cast) -> None:
    cast.editor.post(DEVICES, {"name": "a"}, Idempotency_Key="k")
    answer = cast.editor.post(DEVICES, {"name": "b"}, Idempotency_Key="k")
    assert (answer.status, answer.body["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert "take a new key" in answer.message
    assert Device.objects.count() == 1


def test_a_key_is_used_for_each_address_by_itself(cast: Cast, device: str) -> None:
    other = cast.editor.device()
    made = {
        cast.editor.post(f"{DEVICES}/{one}/provisioning", {"request": CONFIG}, Idempotency_Key="k").body["id"]
        for one in (device, other)
    }
    assert len(made) == 2
    upper = f"{DEVICES}/{device.upper()}/provisioning"
    assert cast.editor.post(upper, {"request": CONFIG}, Idempotency_Key="k").body["id"] in made


def test_another_key_of_the_tenant_is_answered_the_same(cast: Cast) -> None:
    first = cast.editor.post(DEVICES, {}, Idempotency_Key="k").body
    assert cast.owner.post(DEVICES, {}, Idempotency_Key="k").body == first
    assert cast.viewer.post(DEVICES, {}, Idempotency_Key="k").status == 403


def test_a_refusal_is_not_kept(cast: Cast, device: str) -> None:
    refused = cast.editor.post(DEVICES, {"serialNumber": "SN-17"}, Idempotency_Key="k")
    assert refused.status == 409
    assert cast.editor.post(DEVICES, {"serialNumber": ""}, Idempotency_Key="j").status == 201
    cast.editor.delete(f"{DEVICES}/{device}")
    assert cast.editor.post(DEVICES, {"serialNumber": "SN-17"}, Idempotency_Key="k").status == 201
    assert IdempotentAnswer.objects.count() == 2


def test_after_a_day_the_key_is_free(cast: Cast) -> None:
    first = cast.editor.post(DEVICES, {"name": "a"}, Idempotency_Key="k").body
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    second = cast.editor.post(DEVICES, {"name": "b"}, Idempotency_Key="k")
    assert (second.status, second.body["name"]) == (201, "b")
    assert second.body["id"] != first["id"]
    assert IdempotentAnswer.objects.count() == 1


def test_what_is_gone_by_then_is_not_made_again(cast: Cast, device: str) -> None:
    ways: list[tuple[str, Any, Callable[[Any], object]]] = [
        (DEVICES, {}, lambda body: cast.owner.delete(f"{DEVICES}/{body['id']}")),
        (
            f"{DEVICES}/{device}/provisioning",
            {"request": CONFIG},
            lambda body: cast.owner.delete(f"{DEVICES}/{device}/provisioning/{body['id']}"),
        ),
        (
            f"{DEVICES}/{device}/provisioning/batch",
            {"commands": [{"request": CONFIG}, {"request": FINISHED}]},
            lambda body: cast.owner.delete(f"{DEVICES}/{device}/provisioning/{body['items'][1]['id']}"),
        ),
        (
            f"{DEVICES}/{device}/credentials",
            {"kind": "password"},
            lambda body: cast.owner.delete(f"{DEVICES}/{device}/credentials/{body['id']}"),
        ),
    ]
    for where, body, remove in ways:
        remove(cast.owner.post(where, body, Idempotency_Key="k").body)
        answer = cast.owner.post(where, body, Idempotency_Key="k")
        assert (answer.status, answer.body["code"]) == (409, "CONFLICT"), where
        assert "take a new key" in answer.message


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "\xe5", "a\tb"])
def test_a_key_that_cannot_be_is_refused(cast: Cast, key: str) -> None:
    answer = cast.editor.post(DEVICES, {}, Idempotency_Key=key)
    assert (answer.status, answer.fields) == (400, ["Idempotency-Key"])
    assert not Device.objects.exists()


def test_the_longest_key_is_taken(cast: Cast) -> None:
    key = "~!" * 100
    first = cast.editor.post(DEVICES, {}, Idempotency_Key=key)
    assert cast.editor.post(DEVICES, {}, Idempotency_Key=key).body == first.body


def test_nothing_of_the_body_is_kept(cast: Cast, device: str) -> None:
    body = {"request": {"preSharedKey": {"secTag": 1, "identity": "i", "secret": "5ec3e7" * 6}}}
    cast.editor.post(f"{DEVICES}/{device}/provisioning", body, Idempotency_Key="k")
    cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}, Idempotency_Key="k")
    for row in IdempotentAnswer.objects.values():
        assert len(row["made"]) == 1
        assert len(row["made"][0]) == 36
        assert len(row["body_mac"]) == 64
        assert "5ec3e7" not in str(row)


# ---- two at once


def test_who_was_quicker_while_the_body_was_checked_is_found(cast: Cast) -> None:
    request = Request(RequestFactory().post(DEVICES, b"{}", "application/json"), parsers=[StrictJSONParser()])
    request._request.resolver_match = resolve(DEVICES)
    request._request.META["HTTP_IDEMPOTENCY_KEY"] = "k"
    request.auth = Caller(cast.editor.row.id, cast.editor.tenant.id, "editor", cast.editor.role)
    quicker: list[Answer] = []

    def check() -> None:
        quicker.append(cast.editor.post(DEVICES, {}, Idempotency_Key="k"))

    def act(checked: None) -> Made:
        raise AssertionError("it is made already")

    answer = create(request, check, act, lambda ids: {"ids": [str(id) for id in ids]})
    assert answer.data == {"ids": [quicker[0].body["id"]]}


@pytest.fixture
def two_connections(cast: Cast, redis: object) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time: the second waits and finds the answer")


def start(call: Callable[[], Answer], answers: list[Answer]) -> threading.Thread:
    def run() -> None:
        try:
            answers.append(call())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_for_a_waiter() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits for the device's row")


@pytest.mark.django_db(transaction=True)
def test_while_the_first_runs_the_second_is_told_at_once(two_connections: None, cast: Cast) -> None:
    device, answers = cast.editor.device(), list[Answer]()

    def send() -> Answer:
        return cast.editor.post(f"{DEVICES}/{device}/provisioning", {"request": CONFIG}, Idempotency_Key="k")

    with transaction.atomic():
        Device.objects.select_for_update().get(id=device)
        first = start(send, answers)
        wait_for_a_waiter()
        began = time.monotonic()
        second = start(send, answers)
        second.join(5)
        assert time.monotonic() - began < 2
        assert [(a.status, a.body["code"]) for a in answers] == [(409, "IN_PROGRESS")]
    first.join(10)
    assert answers[1].status == 201
    assert send().body["id"] == answers[1].body["id"]
    assert Command.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_makes_it(two_connections: None, cast: Cast) -> None:
    answers: list[Answer] = []
    threads = [
        start(lambda: cast.editor.post(DEVICES, {"name": "one"}, Idempotency_Key="k"), answers)
        for _ in range(6)
    ]
    for thread in threads:
        thread.join(20)
    assert Device.objects.count() == 1
    assert len(answers) == 6
    made = {answer.body["id"] for answer in answers if answer.status == 201}
    assert made == {str(Device.objects.get().id)}
    assert {answer.body.get("code") for answer in answers if answer.status != 201} <= {"IN_PROGRESS"}
