"""API keys: a new one is shown once, after that the database knows only its hash, which no page shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from tenants import keys
from tenants.admin import scope
from tenants.admin.asking import Question, ask, show_once
from tenants.admin.page import Page, attempt, display
from tenants.admin.times import moment
from tenants.models import APIKey
from tenants.roles import Role

REVOKE = "tenants_apikey_revoke"
LIST = "admin:tenants_apikey_changelist"
COLOURS = {"valid": "success", "expired": "warning", "revoked": "danger"}


@admin.register(APIKey)
class KeyPage(Page[APIKey]):
    """Keys are made and revoked, never changed: who holds one knows what it may do."""

    tenant_path = "tenant_id"
    list_display = ("name", "tenant", "role", "state", "last_used", "expires", "created")
    list_filter = (("role", ChoicesDropdownFilter), ("tenant", AutocompleteSelectFilter))
    list_select_related = ("tenant",)
    search_fields = ("name__startswith",)
    search_help_text = "Beginning of the name"
    ordering = ("-created_at", "id")
    autocomplete_fields = ("tenant",)
    add_fields = ("tenant", "name", "role", "expires_at")
    change_form_template = "tenants/key.html"

    @display(description="State", label=COLOURS)
    def state(self, key: APIKey) -> str:
        """Whether the key opens anything now."""
        if key.revoked_at is not None:
            return "revoked"
        expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return "expired" if expired else "valid"

    @display(description="Created (UTC)")
    def created(self, key: APIKey) -> SafeString:
        """When it was made."""
        return moment(key.created_at)

    @display(description="Last used (UTC)")
    def last_used(self, key: APIKey) -> SafeString:
        """When a request last came with it."""
        return moment(key.last_used_at)

    @display(description="Expires (UTC)")
    def expires(self, key: APIKey) -> str:
        """When it ends by itself."""
        return f"{key.expires_at:%Y-%m-%d %H:%M:%S}" if key.expires_at else "never"

    @display(description="Revoked (UTC)")
    def revoked(self, key: APIKey) -> SafeString:
        """When it was ended."""
        return moment(key.revoked_at)

    def get_fields(self, request: HttpRequest, obj: APIKey | None = None) -> Any:
        """What is asked for a new key, or shown of an old one."""
        shown = ("tenant", "name", "role", "state", "created", "last_used", "expires", "revoked", "id")
        return self.add_fields if obj is None else shown

    def get_readonly_fields(self, request: HttpRequest, obj: APIKey | None = None) -> Any:
        """Everything, once it is made."""
        return () if obj is None else self.get_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: APIKey | None = None) -> bool:
        """Keys are revoked, so that their traces keep a name."""
        return False

    @sensitive_variables("text")
    def save_model(self, request: HttpRequest, obj: APIKey, form: ModelForm[APIKey], change: bool) -> None:
        """Makes the key; its text waits on the request for the answer."""
        if change:
            return
        maker = scope.role(request, obj.tenant_id)
        made, text = keys.make(obj.tenant_id, maker, obj.name, Role(obj.role), obj.expires_at)
        obj.pk, obj.digest, obj.created_at = made.pk, made.digest, made.created_at
        request.made_key = text  # type: ignore[attr-defined]

    @sensitive_variables("secret")
    def response_add(
        self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The key, this once."""
        text = f"API key {obj.name!r} with role {obj.role} of tenant {obj.tenant.name!r}."
        secret: str = request.made_key  # type: ignore[attr-defined]
        title = "The new API key"
        return show_once(request, self, title=title, text=text, secret=secret, back=reverse(LIST))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page with its button, where it may be pressed."""
        key = context.get("original")
        may = key is not None and key.revoked_at is None and self.has_change_permission(request, key)
        context.update(
            revoke=reverse(f"admin:{REVOKE}", args=[key.pk]) if key is not None and may else "",
            show_save=key is None,
            show_save_and_continue=False,
            show_save_and_add_another=False,
        )
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """The usual ones and `revoke`."""
        view = self.admin_site.admin_view(self.revoke)
        return [path("<uuid:key_id>/revoke/", view, name=REVOKE), *super().get_urls()]

    def revoke(self, request: HttpRequest, key_id: UUID) -> HttpResponseBase:
        """Asks, then ends the key for good."""
        key = get_object_or_404(self.get_queryset(request), id=key_id)
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        if request.method != "POST":
            return self._ask(request, key)
        revoker = scope.role(request, key.tenant_id)
        act = transaction.atomic(lambda: keys.revoke(key.tenant_id, revoker, key.id))
        if attempt(request, act, f"{key} is revoked: requests with it are answered 401 from now on."):
            self.log_change(request, key, "Revoked.")
        return redirect(LIST)

    def _ask(self, request: HttpRequest, key: APIKey) -> TemplateResponse:
        text = "Requests with this key are answered 401 from now on. A revoked key never comes back."
        back = reverse("admin:tenants_apikey_change", args=[key.pk])
        title = f"Revoke API key {key}?"
        return ask(request, self, Question(title, text, "Revoke", back, danger=True), key)
