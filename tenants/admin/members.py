"""Members: made with a password that is shown once, given another role, taken out of the tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from tenants import members
from tenants.admin.asking import show_once
from tenants.admin.page import Page, display
from tenants.admin.times import moment
from tenants.models import Member
from tenants.roles import Role

if TYPE_CHECKING:
    from django.forms import CheckboxInput, TextInput
else:
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanWidget as CheckboxInput

LIST = "admin:tenants_member_changelist"


class NewMemberForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who, in which tenant, as what."""

    user_name = forms.CharField(
        label="User name",
        max_length=members.NAME_MOST,
        widget=TextInput(),
        help_text="ASCII letters, digits and @ . + - _.",
    )
    existing = forms.BooleanField(
        label="The user is there already",
        required=False,
        widget=CheckboxInput(),
        help_text="They keep their password. Only for one that you know: whoever made the user may know it.",
    )

    class Meta:
        model = Member
        fields: ClassVar = ["tenant", "role"]


@admin.register(Member)
class MemberPage(Page[Member]):
    """A few to each tenant."""

    tenant_path = "tenant_id"
    list_display = ("user", "tenant", "role", "created")
    list_filter = (("role", ChoicesDropdownFilter), ("tenant", AutocompleteSelectFilter))
    list_select_related = ("user", "tenant")
    search_fields = ("user__username__startswith",)
    search_help_text = "Beginning of the user name"
    ordering = ("-created_at", "id")
    autocomplete_fields = ("tenant",)
    actions = None

    @display(description="Since (UTC)")
    def created(self, member: Member) -> SafeString:
        """When they were taken in."""
        return moment(member.created_at)

    def get_form(
        self, request: HttpRequest, obj: Member | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Member]]:
        """A new member is asked for by name."""
        form = {} if obj is not None else {"form": NewMemberForm}
        return super().get_form(request, obj, change, **form, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        """What is asked for a new member, or shown of an old one."""
        asked = ("tenant", "user_name", "role", "existing")
        return asked if obj is None else ("user", "tenant", "role", "created", "id")

    def get_readonly_fields(self, request: HttpRequest, obj: Member | None = None) -> Any:
        """Only the role ever changes."""
        return () if obj is None else ("user", "tenant", "created", "id")

    @sensitive_variables("password")
    def save_model(self, request: HttpRequest, obj: Member, form: ModelForm[Member], change: bool) -> None:
        """As REST does it; a new password waits on the request for the answer."""
        role = Role(form.cleaned_data["role"])
        with transaction.atomic():
            if change:
                members.change(obj.tenant_id, obj.id, role)
                return
            given = form.cleaned_data
            made, password = members.make(obj.tenant_id, given["user_name"], role, existing=given["existing"])
        obj.pk, obj.user, obj.created_at = made.pk, made.user, made.created_at
        request.made_password = password  # type: ignore[attr-defined]

    @sensitive_variables("secret")
    def response_add(
        self, request: HttpRequest, obj: Member, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The password of a new user, this once."""
        secret: str | None = request.made_password  # type: ignore[attr-defined]
        if secret is None:
            return super().response_add(request, obj, post_url_continue)
        text = f"User name {obj.user.username}, and this password, to be changed after the first sign-in:"
        back = reverse(LIST)
        return show_once(request, self, title="The new member", text=text, secret=secret, back=back)

    def delete_model(self, request: HttpRequest, obj: Member) -> None:
        """Takes them out of the tenant."""
        with transaction.atomic():
            members.remove(obj.tenant_id, obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Member]) -> None:
        """One by one."""
        for member in queryset:
            self.delete_model(request, member)
