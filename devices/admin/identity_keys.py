"""Identity keys: found by device id, added one by one, deleted; a factory's go in by `manage.py identity_keys`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from devices import identity_keys
from devices.admin.filters import uuid
from devices.models import IdentityKey
from devices.serializers import PUBLIC_KEY_MOST
from tenants import audit
from tenants.admin.page import Page, display
from tenants.admin.times import moment
from tenants.audit import Act
from tenants.errors import Refusal

if TYPE_CHECKING:
    from django.forms import Textarea, TextInput
else:
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key as it is imported, by the same rules."""

    device_id = forms.CharField(label="Device id", max_length=36, widget=TextInput())
    public_key = forms.CharField(
        label="Public key",
        max_length=PUBLIC_KEY_MOST,
        widget=Textarea(attrs={"rows": 6}),
        help_text="EC on P-256: PEM, base64 of the DER in one line, or modem style.",
    )

    class Meta:
        model = IdentityKey
        fields: ClassVar = ["device_id", "public_key"]

    def clean(self) -> dict[str, Any] | None:
        """Names the field that is wrong; a device has one imported key."""
        cleaned = super().clean() or self.cleaned_data
        if {"device_id", "public_key"} <= cleaned.keys():
            try:
                given = identity_keys.check(1, cleaned["device_id"], cleaned["public_key"])
            except Refusal as refusal:
                raise _said(refusal) from None
            if IdentityKey.objects.filter(device_id=given.device_id, learnt=False).exists():
                self.add_error(
                    "device_id", "An identity key is known for this device: delete that one first."
                )
            cleaned |= {"device_id": given.device_id, "public_key": given.public_key, "given": given}
        return cleaned

    def _post_clean(self) -> None:
        """Nothing is left for the model to check: `identity_keys` did."""


def _said(refusal: Refusal) -> forms.ValidationError:
    names = {identity_keys.HEADER: "device_id", "publicKey": "public_key"}
    errors = {names[name]: list(reasons) for name, reasons in (refusal.errors or {}).items()}
    return forms.ValidationError(errors)


@admin.register(IdentityKey)
class IdentityKeyPage(Page[IdentityKey]):
    """Keys are added and deleted, never changed: a device has one for its life."""

    form = KeyForm
    list_display = ("device", "source", "created")
    ordering = ("-id",)
    search_fields = ("device_id",)
    search_help_text = "A whole device id"
    shown = ("device", "public_key", "source", "created")

    def get_fields(self, request: HttpRequest, obj: IdentityKey | None = None) -> Any:
        """What is asked for a new key, or shown of an old one."""
        return ("device_id", "public_key") if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: IdentityKey | None = None) -> Any:
        """Everything, once it is there."""
        return () if obj is None else self.shown

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[IdentityKey], search_term: str
    ) -> tuple[QuerySet[IdentityKey], bool]:
        """By the whole id: that has an index."""
        if not search_term.strip():
            return queryset, False
        found = uuid(search_term.strip())
        return (queryset.filter(device_id=found) if found else queryset.none()), False

    @display(description="Device")
    def device(self, key: IdentityKey) -> SafeString:
        """Whose key it is."""
        return format_html("<span class='ks-mono'>{}</span>", key.device_id)

    @display(description="From", label={"imported": "success", "learnt": "warning"})
    def source(self, key: IdentityKey) -> str:
        """Whether it proves claims; one that was learnt does not."""
        return "learnt" if key.learnt else "imported"

    @display(description="Since (UTC)")
    def created(self, key: IdentityKey) -> SafeString:
        """When it came."""
        return moment(key.created_at)

    def delete_model(self, request: HttpRequest, obj: IdentityKey) -> None:
        """Forgets the key."""
        self.delete_queryset(request, IdentityKey.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdentityKey]) -> None:
        """Forgets the keys."""
        with transaction.atomic():
            gone = list(queryset.values_list("device_id", flat=True))
            queryset.delete()
            audit.record_all(Act("identity-key.removed", "identity-key", id) for id in gone)

    def save_model(
        self, request: HttpRequest, obj: IdentityKey, form: ModelForm[IdentityKey], change: bool
    ) -> None:
        """Stores it as an import does."""
        if change:
            return
        given = form.cleaned_data["given"]
        for wrong in identity_keys.store([given], replace=False).wrong:
            raise wrong.refusal
        stored = identity_keys.find(given.device_id)
        obj.pk, obj.device_id, obj.created_at = stored.pk, stored.device_id, stored.created_at
