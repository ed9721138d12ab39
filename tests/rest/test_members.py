"""Members: people who sign in to the admin and see their tenant there."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tenants.models import AuditEntry, IdempotentAnswer, Member
from tenants.roles import Role
from tests.rest.cast import Cast, person, unknown

MEMBERS = "/v1/members"
MIA = {"userName": "mia", "role": "editor"}


def staff(name: str) -> bool:
    return User.objects.get(username=name).is_staff


def test_a_new_member_gets_a_password_that_is_shown_once(cast: Cast) -> None:
    made = cast.owner.post(MEMBERS, MIA)
    assert made.status == 201
    assert set(made.body) == {"id", "userName", "role", "createdAt", "password"}
    assert Client().login(username="mia", password=made.body["password"])
    user = User.objects.get(username="mia")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, True)
    shown = [cast.admin.get(f"{MEMBERS}/{made.body['id']}").body, *cast.admin.get(MEMBERS).body["items"]]
    assert [set(one) for one in shown] == [{"id", "userName", "role", "createdAt"}] * 2


def test_a_repeated_request_shows_no_password(cast: Cast) -> None:
    first = cast.owner.post(MEMBERS, MIA, Idempotency_Key="k")
    again = cast.owner.post(MEMBERS, MIA, Idempotency_Key="k")
    assert (again.status, again.body["id"], again.body["secretShown"]) == (201, first.body["id"], True)
    assert "password" not in again.body
    assert first.body["password"] not in str(list(IdempotentAnswer.objects.values()))
    assert first.body["password"] not in str(list(AuditEntry.objects.values()))


def test_a_role_is_changed_and_a_member_removed(cast: Cast) -> None:
    at = f"{MEMBERS}/{cast.owner.post(MEMBERS, MIA).body['id']}"
    assert cast.owner.patch(at, {"role": "owner"}).body["role"] == "owner"
    assert Member.objects.get().role == "owner"
    assert cast.owner.delete(at).status == 204
    assert (Member.objects.count(), staff("mia")) == (0, False)
    assert cast.owner.delete(at).status == 404
    told = AuditEntry.objects.filter(object_kind="member").order_by("id").values_list("action", flat=True)
    assert list(told) == ["member.made", "member.changed", "member.removed"]


def test_a_user_of_another_tenant_is_taken_in_only_where_that_is_said(cast: Cast) -> None:
    cast.stranger.post(MEMBERS, MIA)
    for name in ("mia", "Mia"):
        taken = cast.owner.post(MEMBERS, {"userName": name, "role": "viewer"})
        assert (taken.status, taken.body["code"]) == (409, "NAME_TAKEN")
    assert Member.objects.count() == 1
    made = cast.owner.post(MEMBERS, {**MIA, "existing": True})
    assert (made.status, "password" in made.body) == (201, False)
    cast.owner.delete(f"{MEMBERS}/{made.body['id']}")
    assert staff("mia"), "still a member elsewhere"


def test_who_was_removed_is_taken_in_again(cast: Cast) -> None:
    cast.owner.delete(f"{MEMBERS}/{cast.owner.post(MEMBERS, MIA).body['id']}")
    assert cast.owner.post(MEMBERS, {**MIA, "existing": True}).status == 201
    assert staff("mia")
    twice = cast.owner.post(MEMBERS, {**MIA, "existing": True})
    assert (twice.status, twice.body["code"]) == (409, "NAME_TAKEN")


@pytest.mark.parametrize("kind", ["superuser", "group", "nobody"])
def test_an_operator_is_taken_in_by_nobody(cast: Cast, kind: str) -> None:
    if kind != "nobody":
        user = User.objects.create(username="olga", is_staff=True, is_superuser=kind == "superuser")
        user.groups.set([Group.objects.create(name="night shift")] if kind == "group" else [])
    refused = cast.owner.post(MEMBERS, {"userName": "olga", "role": "viewer", "existing": True})
    assert (refused.status, refused.body["code"]) == (409, "CONFLICT")
    assert not Member.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "viewer"}, "userName"),
        ({"userName": "mia"}, "role"),
        ({"userName": "mia", "role": "platform"}, "role"),
        ({"userName": "m i a", "role": "viewer"}, "userName"),
        ({"userName": "mïa", "role": "viewer"}, "userName"),
        ({"userName": "m" * 151, "role": "viewer"}, "userName"),
        ({"userName": "mia", "role": "viewer", "existing": "yes"}, "existing"),
        ({"userName": "mia", "role": "viewer", "password": "mine"}, "password"),
    ],
)
def test_a_wrong_field_is_named(cast: Cast, body: object, field: str) -> None:
    answer = cast.owner.post(MEMBERS, body)
    assert (answer.status, answer.fields) == (400, [field])
    assert not User.objects.exists()


def test_members_of_others_are_not_there(cast: Cast) -> None:
    theirs = cast.stranger.post(MEMBERS, MIA).body["id"]
    assert cast.owner.get(MEMBERS).body["items"] == []
    for at in (theirs, unknown()):
        assert cast.owner.patch(f"{MEMBERS}/{at}", {"role": "viewer"}).status == 404
        assert cast.owner.delete(f"{MEMBERS}/{at}").status == 404
    assert Member.objects.get().role == "editor"


def test_a_tenant_may_be_without_owner_members(cast: Cast) -> None:
    at = f"{MEMBERS}/{cast.owner.post(MEMBERS, {**MIA, 'role': 'owner'}).body['id']}"
    assert cast.owner.delete(at).status == 204
    assert person(cast.owner.tenant, Role.OWNER).get(MEMBERS).status == 200
