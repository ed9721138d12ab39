"""A key, and an address that proves nothing, get so many requests a minute, and then 429 with Retry-After."""

import time
from collections.abc import Iterator

import pytest
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from pytest_django.fixtures import Settings

from tenants import throttling
from tests.rest.cast import DEVICES, Cast, call
from tests.servers.redis import Redis


@pytest.fixture(autouse=True)
def counting(settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing counted yet, no pause from before, and the minute is not about to end."""
    settings.KEYSEED_KEY_RATE, settings.KEYSEED_STRANGER_RATE = 5, 3
    monkeypatch.setattr(throttling, "_paused_until", 0.0)
    if time.time() % 60 > 50:
        time.sleep(60 - time.time() % 60)
    caches["requests"].clear()
    yield
    caches["requests"].clear()


def test_a_key_is_told_when_to_come_back_and_others_are_not_held_up(cast: Cast) -> None:
    statuses = [cast.viewer.get(DEVICES).status for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    refused = cast.viewer.get(DEVICES)
    assert refused.body["code"] == "THROTTLED"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert cast.editor.get(DEVICES).status == 200


def test_who_guesses_keys_is_held_up_and_who_has_one_is_not(cast: Cast) -> None:
    wrong = {"Authorization": "Bearer ks_wrong"}
    assert [call("GET", DEVICES, headers=wrong).status for _ in range(4)] == [401, 401, 401, 429]
    elsewhere = call("GET", DEVICES, headers={**wrong, "X-Forwarded-For": "203.0.113.9"})
    assert elsewhere.status == 429, "whatever it says of where it is"
    assert cast.owner.get(DEVICES).status == 200, "a whole office may share the address"


def test_behind_a_proxy_the_callers_address_counts(cast: Cast, settings: Settings) -> None:
    settings.KEYSEED_BEHIND_PROXY = True
    for _ in range(4):
        call("GET", DEVICES, headers={"X-Forwarded-For": "10.0.0.1, 203.0.113.9"})
    assert call("GET", DEVICES, headers={"X-Forwarded-For": "203.0.113.9"}).status == 429
    assert call("GET", DEVICES, headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}).status == 401


def test_a_device_that_proves_nothing_is_held_up_too(cast: Cast) -> None:
    path, wrong = "/v1/provisioning/commands", {"Authorization": "Bearer a.b.c"}
    assert [call("GET", path, headers=wrong).status for _ in range(4)] == [401, 401, 401, 429]
    modem = {**wrong, "Accept": "application/cbor"}
    assert call("GET", path, headers=modem).status == 401, "which a modem takes as a reason to wait"


def test_who_guesses_an_operators_password_is_held_up(db: None) -> None:
    form = b"username=admin&password=wrong", "application/x-www-form-urlencoded"
    statuses = [call("POST", "/admin/login/", *form).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert call("GET", "/admin/login/").status == 200


def test_without_limits_nobody_is_held_up(cast: Cast, settings: Settings) -> None:
    settings.KEYSEED_KEY_RATE = settings.KEYSEED_STRANGER_RATE = 0
    assert {cast.viewer.get(DEVICES).status for _ in range(20)} == {200}
    assert {call("GET", DEVICES).status for _ in range(20)} == {401}


def test_a_cache_that_is_away_lets_everybody_in(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisCache("redis://127.0.0.1:1/0", {})
    monkeypatch.setattr(throttling, "_cache", lambda: away)
    begun = time.monotonic()
    assert {cast.viewer.get(DEVICES).status for _ in range(10)} == {200}
    assert time.monotonic() - begun < 5
