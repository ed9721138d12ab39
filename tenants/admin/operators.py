"""The people who sign in here, and groups of permissions for them: Django's own pages in these looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import Group, User
from unfold.forms import UnfoldReadOnlyPasswordHashWidget

from tenants.admin.scope import Scoped
from tenants.admin.traced import Traced

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
else:
    from unfold.admin import ModelAdmin
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm


class Hashed(UnfoldReadOnlyPasswordHashWidget):  # type: ignore[misc]
    """Says that there is a password, and shows no part of its hash or salt."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """One sentence instead of algorithm, salt and hash."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        there = is_password_usable(value)
        context["summary"] = [{"label": "Set, and stored only as a hash." if there else "None is set."}]
        return context


class OperatorForm(UserChangeForm):  # type: ignore[type-arg]
    """What can be changed of a person."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "password" in self.fields:
            self.fields["password"].widget = Hashed()


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class OperatorPage(Scoped, Traced, UserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """People; their passwords are hashed by Django and never shown."""

    traced_as = "user"
    form = OperatorForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupPage(Scoped, Traced, GroupAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Groups of permissions."""

    traced_as = "group"
