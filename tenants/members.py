"""Members are made, changed and removed here; a new one's password is readable when it is made and never again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from tenants import audit
from tenants.errors import Refusal, invalid
from tenants.models import Member
from tenants.roles import Role

NAME_MOST = 150

_NAME = re.compile(rf"[A-Za-z0-9@.+_-]{{1,{NAME_MOST}}}")


def make(tenant_id: UUID, user_name: str, role: Role, *, existing: bool) -> tuple[Member, str | None]:
    """A member and, for a new user, the password. Raises `Refusal`.

    `existing`: the user is there already. It must be said, since whoever made that user may know its password.
    """
    if not _NAME.fullmatch(user_name):
        raise invalid("userName", f"Must be 1 to {NAME_MOST} ASCII letters, digits and @ . + - _.")
    user, password = (_known(user_name), None) if existing else _new(user_name)
    try:
        with transaction.atomic():
            made = Member.objects.create(user=user, tenant_id=tenant_id, role=role.value)
            _record("made", made, {"role": role.value, "existing": existing})
    except IntegrityError:
        raise Refusal("NAME_TAKEN", f"{user_name} is a member already: change the role instead.") from None
    return made, password


def _new(user_name: str) -> tuple[User, str]:
    # Names that differ in case only would be taken for each other.
    if User.objects.filter(username__iexact=user_name).exists():
        raise _taken(user_name)
    password = secrets.token_urlsafe(18)
    try:
        with transaction.atomic():
            return User.objects.create_user(user_name, password=password, is_staff=True), password
    except IntegrityError:
        raise _taken(user_name) from None


def _known(user_name: str) -> User:
    user = User.objects.select_for_update(no_key=True).filter(username=user_name).first()
    if user is None or is_operator(user):
        raise Refusal(
            "CONFLICT",
            f"{user_name} is no user that can become a member: leave `existing` out to make a user, with another "
            "name if this one is taken.",
        )
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    return user


def is_operator(user: User) -> bool:
    """Whether the user works for the installation: such a one is no tenant's to take in, or to let go."""
    return user.is_superuser or user.groups.exists() or user.user_permissions.exists()


def _taken(user_name: str) -> Refusal:
    return Refusal(
        "NAME_TAKEN",
        f"There is a user {user_name} in this installation: choose another name. If you know that it is the person "
        'whom you mean, send `"existing": true`: they keep their password.',
    )


def change(tenant_id: UUID, member_id: UUID, role: Role) -> Member:
    """Gives the member this role. Raises `Refusal`."""
    member = find(tenant_id, member_id)
    if member.role != role.value:
        _record("changed", member, {"old": member.role, "new": role.value})
        member.role = role.value
        member.save(update_fields=["role"])
    return member


def remove(tenant_id: UUID, member_id: UUID) -> None:
    """Takes the member out of the tenant; who is in none any more does not get in at all. Raises `Refusal`."""
    member = find(tenant_id, member_id)
    user = User.objects.select_for_update(no_key=True).get(id=member.user_id)
    _record("removed", member, {"role": member.role})
    member.delete()
    if not is_operator(user) and not Member.objects.filter(user=user).exists():
        user.is_staff = False
        user.save(update_fields=["is_staff"])


def _record(what: str, member: Member, data: Mapping[str, object]) -> None:
    name = member.user.get_username()
    audit.record(f"member.{what}", "member", member.id, member.tenant_id, {"userName": name, **data})


def find(tenant_id: UUID, member_id: UUID) -> Member:
    """The tenant's member. Raises `Refusal` NOT_FOUND."""
    found = Member.objects.filter(tenant_id=tenant_id, id=member_id).select_related("user").first()
    if found is None:
        raise Refusal("NOT_FOUND", "There is no such member. List yours with GET /v1/members.")
    return found
