"""Writes into the audit log who signs in to the admin, who tries to, who is new, and whose password is set.

By whatever way it comes about: these have no service of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver

from tenants import acting, audit


@receiver(user_logged_in)
def _note_sign_in(user: User, **kwargs: Any) -> None:
    with acting.acting(acting.of_user(user)):
        audit.record("user.signed-in", "user", user.pk, data={"name": user.get_username()})


@receiver(user_login_failed)
def _note_failure(credentials: Mapping[str, Any], **kwargs: Any) -> None:
    """A name that nobody has is not kept: people type their passwords where the name belongs."""
    name = str(credentials.get("username", ""))[:150].replace("\x00", "")
    user = User.objects.filter(username=name).first()
    if user is None:
        audit.record("user.sign-in-failed", "user", data={"name": "unknown"})
        return
    tenant_id = acting.of_user(user).tenant_id
    audit.record("user.sign-in-failed", "user", user.pk, tenant_id, {"name": name})


@receiver(post_save, sender=Group)
@receiver(post_save, sender=User)
def _note_new(instance: User | Group, created: bool, **kwargs: Any) -> None:
    if created:
        kind = "user" if isinstance(instance, User) else "group"
        audit.record(f"{kind}.added", kind, instance.pk, data={"name": str(instance)})


@receiver(post_save, sender=User)
def _note_password(instance: User, **kwargs: Any) -> None:
    # Django keeps it there from `set_password` until it is saved.
    if instance._password is not None:  # type: ignore[attr-defined]  # noqa: SLF001
        data = {"name": instance.get_username()}
        audit.record("user.password-set", "user", instance.pk, data=data)
