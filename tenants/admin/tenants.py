"""Tenants: listed, added, renamed. None is deleted here: its whole fleet would go with it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from tenants import audit, bootstrap
from tenants.admin.page import Page, display
from tenants.admin.times import moment
from tenants.errors import Refusal
from tenants.models import Tenant

OPTIONS = ("sandbox", "jwt_without_expiry", "jwt_audience_required")


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses what would leave several tenants with settings for one."""

    class Meta:
        model = Tenant
        fields: ClassVar = ["name", *OPTIONS]

    def clean(self) -> dict[str, Any] | None:
        """The rule of `bootstrap`, where it is about to be broken: an installation that breaks it may be mended."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance._state.adding or "sandbox" in self.changed_data:  # noqa: SLF001 - Django's word
            try:
                bootstrap.check_several(Tenant(id=self.instance.id, sandbox=cleaned.get("sandbox", False)))
            except Refusal as refusal:
                raise forms.ValidationError(refusal.message) from None
        return cleaned


@admin.register(Tenant)
class TenantPage(Page[Tenant]):
    """A few thousand rows at most."""

    tenant_path = "id"
    form = TenantForm
    list_display = ("name", "id", "sandbox", "created")
    search_fields = ("name",)
    search_help_text = "A part of the name"
    ordering = ("name",)
    fields = ("name", *OPTIONS, "id", "created")
    readonly_fields = ("id", "created")

    def save_model(self, request: HttpRequest, obj: Tenant, form: ModelForm[Tenant], change: bool) -> None:
        """Writes it, and what of it is new."""
        super().save_model(request, obj, form, change)
        if form.changed_data:
            data = {name: form.cleaned_data[name] for name in form.changed_data}
            audit.record("tenant.changed" if change else "tenant.made", "tenant", obj.id, obj.id, data)

    @display(description="Created (UTC)")
    def created(self, tenant: Tenant) -> SafeString:
        """When it was made."""
        return moment(tenant.created_at)

    def has_delete_permission(self, request: HttpRequest, obj: Tenant | None = None) -> bool:
        """Never."""
        return False
