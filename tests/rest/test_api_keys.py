"""API keys: who gets in, who makes them, and how they end."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants import keys
from tenants.errors import Refusal
from tenants.models import APIKey
from tenants.roles import Role
from tests.rest.cast import DEVICES, Cast, Person, call, unknown

KEYS = "/v1/api-keys"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "needs an API key"),
        ("Bearer", "not understood"),
        ("Bearer ", "not understood"),
        ("Basic YTpi", "not understood"),
        ("Token abc", "not understood"),
        ("Bearer ks_nobody", "not known"),
        ("Bearer ks\xff", "not known"),
        ("Bearer a b", "not known"),
    ],
)
@pytest.mark.django_db
def test_what_is_no_key_is_told_what_to_do(header: str, words: str) -> None:
    answer = call("GET", DEVICES, headers={"Authorization": header} if header else {})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.body["code"] == "UNAUTHENTICATED"
    assert words in answer.message
    assert "Send `Authorization: Bearer" in answer.message or "POST /v1/api-keys" in answer.message


def test_the_scheme_is_read_in_any_letter_case(cast: Cast) -> None:
    assert call("GET", DEVICES, headers={"Authorization": f"bearer  {cast.viewer.key}"}).status == 200


def test_an_expired_key_opens_nothing(cast: Cast) -> None:
    APIKey.objects.filter(id=cast.viewer.row.id).update(expires_at=timezone.now())
    answer = cast.viewer.get(DEVICES)
    assert (answer.status, "has expired" in answer.message) == (401, True)


def test_a_revoked_key_opens_nothing(cast: Cast) -> None:
    assert cast.admin.delete(f"{KEYS}/{cast.viewer.row.id}").status == 204
    answer = cast.viewer.get(DEVICES)
    assert (answer.status, "was revoked" in answer.message) == (401, True)


def test_its_last_use_is_written_at_most_once_a_minute(cast: Cast) -> None:
    def seen() -> object:
        return APIKey.objects.values_list("last_used_at", flat=True).get(id=cast.viewer.row.id)

    assert seen() is None
    cast.viewer.get(DEVICES)
    first = seen()
    assert first is not None
    with CaptureQueriesContext(connection) as queries:
        cast.viewer.get(DEVICES)
    assert seen() == first
    assert not [query for query in queries if query["sql"].startswith("UPDATE")]
    APIKey.objects.filter(id=cast.viewer.row.id).update(last_used_at=timezone.now() - timedelta(seconds=61))
    cast.viewer.get(DEVICES)
    assert seen() > first  # type: ignore[operator]


def test_a_key_that_did_not_open_is_not_in_use(cast: Cast) -> None:
    APIKey.objects.filter(id=cast.viewer.row.id).update(revoked_at=timezone.now())
    cast.viewer.get(DEVICES)
    assert APIKey.objects.get(id=cast.viewer.row.id).last_used_at is None


def test_a_key_is_shown_once_and_works_at_once(cast: Cast) -> None:
    made = cast.admin.post(KEYS, {"name": "ci", "role": "editor"})
    assert made.status == 201
    assert made.body["key"].startswith("ks_")
    assert len(made.body["key"]) == 35
    row = APIKey.objects.get(id=made.body["id"])
    assert made.body["key"] not in str(APIKey.objects.filter(id=row.id).values().get())
    assert Person(cast.admin.tenant, row, made.body["key"]).device()
    listed = next(k for k in cast.admin.get(KEYS).body["items"] if k["id"] == made.body["id"])
    assert set(listed) == {"id", "name", "role", "createdAt", "expiresAt", "revokedAt", "lastUsedAt"}
    assert (listed["name"], listed["role"], listed["expiresAt"]) == ("ci", "editor", None)


def test_a_key_can_be_made_to_expire(cast: Cast) -> None:
    made = cast.admin.post(KEYS, {"name": "x", "role": "viewer", "expiresAt": "2999-01-01T00:00:00+01:00"})
    assert made.body["expiresAt"] == "2998-12-31T23:00:00.000Z"
    forever = cast.admin.post(KEYS, {"name": "x", "role": "viewer", "expiresAt": None})
    assert forever.body["expiresAt"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "viewer"}, "name"),
        ({"name": "", "role": "viewer"}, "name"),
        ({"name": "  ", "role": "viewer"}, "name"),
        ({"name": "x" * 101, "role": "viewer"}, "name"),
        ({"name": 7, "role": "viewer"}, "name"),
        ({"name": "a\nb", "role": "viewer"}, "name"),
        ({"name": "a"}, "role"),
        ({"name": "a", "role": "platform"}, "role"),
        ({"name": "a", "role": None}, "role"),
        ({"name": "a", "role": ["viewer"]}, "role"),
        ({"name": "a", "role": "viewer", "expiresAt": "tomorrow"}, "expiresAt"),
        ({"name": "a", "role": "viewer", "expiresAt": 7}, "expiresAt"),
        ({"name": "a", "role": "viewer", "expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"name": "a", "role": "viewer", "expiresAt": "0001-01-01T00:00:00+23:00"}, "expiresAt"),
        ({"name": "a", "role": "viewer", "key": "mine"}, "key"),
    ],
)
def test_a_wrong_field_is_named(cast: Cast, body: object, field: str) -> None:
    answer = cast.owner.post(KEYS, body)
    assert (answer.status, answer.fields) == (400, [field])
    assert APIKey.objects.filter(tenant=cast.owner.tenant).count() == 4


def test_no_key_makes_or_revokes_one_above_its_role(cast: Cast) -> None:
    answer = cast.admin.post(KEYS, {"name": "me", "role": "owner"})
    assert answer.status == 403
    assert "role owner" in answer.message
    assert cast.admin.delete(f"{KEYS}/{cast.owner.row.id}").status == 403
    assert cast.owner.get(DEVICES).status == 200
    assert cast.owner.post(KEYS, {"name": "me", "role": "owner"}).status == 201
    assert cast.admin.post(KEYS, {"name": "me", "role": "admin"}).status == 201


def test_revoking_twice_is_as_revoking_once(cast: Cast) -> None:
    path = f"{KEYS}/{cast.viewer.row.id}"
    assert cast.owner.delete(path).status == 204
    first = APIKey.objects.get(id=cast.viewer.row.id).revoked_at
    assert cast.owner.delete(path).status == 204
    assert APIKey.objects.get(id=cast.viewer.row.id).revoked_at == first
    assert cast.owner.delete(f"{KEYS}/{unknown()}").status == 404


def test_the_last_owner_key_stays(cast: Cast) -> None:
    mine = f"{KEYS}/{cast.owner.row.id}"
    answer = cast.owner.delete(mine)
    assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
    made = cast.owner.post(KEYS, {"name": "next", "role": "owner"}).body
    APIKey.objects.filter(id=made["id"]).update(expires_at=timezone.now())
    assert cast.owner.delete(mine).status == 409
    APIKey.objects.filter(id=made["id"]).update(expires_at=None)
    assert cast.owner.delete(mine).status == 204
    assert cast.owner.get(DEVICES).status == 401


@pytest.mark.parametrize("given", ["x", "!", "a" * 200, "~|{}"])
def test_a_given_key_of_visible_characters_is_taken(cast: Cast, given: str) -> None:
    row, text = keys.create(cast.owner.tenant, "given", Role.VIEWER, given)
    assert text == given
    assert Person(cast.owner.tenant, row, text).get(DEVICES).status == 200


@pytest.mark.parametrize("given", ["", "a b", "a\n", "ø", "a" * 201, "\x7f"])
def test_a_given_key_of_other_characters_is_refused(cast: Cast, given: str) -> None:
    with pytest.raises(Refusal) as refused:
        keys.create(cast.owner.tenant, "given", Role.VIEWER, given)
    assert refused.value.code == "INVALID"


def test_no_two_keys_are_the_same(cast: Cast) -> None:
    with pytest.raises(Refusal) as refused:
        keys.create(cast.stranger.tenant, "again", Role.VIEWER, cast.owner.key)
    assert refused.value.code == "CONFLICT"
    assert len({keys.new() for _ in range(100)}) == 100
