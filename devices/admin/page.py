"""One device's page: every write goes through `devices.services`, as REST's do, in the operator's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import flatten, quote
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from devices import services
from devices.admin import credentials, moments
from devices.admin.form import WRITABLE, DeviceForm
from devices.admin.labels import STATUS, label
from devices.admin.listing import DeviceList
from devices.models import Device
from devices.status import Ownership
from tenants.admin import scope
from tenants.admin.page import by, display
from tenants.admin.times import moment

KEPT = (
    ("tenant", "id"),
    ("provisioning_state", "claimed"),
    ("ownership_status", "proved"),
    ("device_type", "firmware_id"),
    ("imei", "template_id"),
)


class DevicePage(DeviceList):
    """What an operator may write, what the machine keeps, the credentials and the timeline."""

    form = DeviceForm
    change_form_template = "devices/device.html"
    autocomplete_fields = ("tenant",)
    add_fieldsets = ((None, {"fields": ("tenant", *WRITABLE, "tag_lines")}),)
    fieldsets = (
        ("Details", {"fields": (("name", "serial_number"), ("vendor_id", "class_id"), "group", "tag_lines")}),
        ("Kept by Keyseed", {"fields": KEPT}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Device | None = None) -> Any:
        """A device never changes its tenant; the rest of these is nobody's to write."""
        return () if obj is None else flatten(KEPT)

    def get_urls(self) -> list[URLPattern]:
        """The usual ones and those of credentials."""
        wrap = self.admin_site.admin_view
        return [
            path(
                "<uuid:device_id>/credentials/new-password/",
                wrap(self.new_password),
                name=credentials.NEW_PASSWORD,
            ),
            path(
                "<uuid:device_id>/credentials/<uuid:credential_id>/revoke/",
                wrap(self.revoke_credential),
                name=credentials.REVOKE,
            ),
            *super().get_urls(),
        ]

    def new_password(self, request: HttpRequest, device_id: UUID) -> HttpResponse:
        """Asks, makes, shows once."""
        return credentials.new_password(self, request, device_id)

    def revoke_credential(self, request: HttpRequest, device_id: UUID, credential_id: UUID) -> HttpResponse:
        """Asks, then revokes."""
        return credentials.revoke(self, request, device_id, credential_id)

    # ---- writing

    def save_model(self, request: HttpRequest, obj: Device, form: ModelForm[Device], change: bool) -> None:
        """Only what the operator changed is written: the rest may have moved on meanwhile."""
        tags = form.cleaned_data["tag_lines"]
        if not change:
            fields = {name: form.cleaned_data[name] for name in WRITABLE}
            made = services.define(obj.tenant_id, fields, tags, by(request))
            obj.pk, obj.claimed_at = made.pk, made.claimed_at
            return
        changed = {name: form.cleaned_data[name] for name in form.changed_data if name in WRITABLE}
        new_tags = tags if "tag_lines" in form.changed_data else None
        if changed or new_tags is not None:
            services.change(obj.tenant_id, obj.id, changed, new_tags, by(request))

    def response_post_save_add(self, request: HttpRequest, obj: Device) -> HttpResponseRedirect:
        """To the new device's page, where its credentials are made."""
        return redirect(self.link(obj))

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        """Unclaims the device."""
        services.delete(obj.tenant_id, obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Unclaims the devices, each in its own transaction."""
        for tenant_id, device_id in queryset.values_list("tenant_id", "id"):
            services.delete(tenant_id, device_id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a device is said in one line: listing it could be thousands of rows."""
        gone = [f"{device} ({device.id}) with its commands, credentials and timeline" for device in objs]
        return gone, {"devices": len(gone)}, set(), []

    # ---- reading

    @display(description="Claimed (UTC)")
    def claimed(self, device: Device) -> SafeString:
        """Since when the device is its tenant's."""
        return moment(device.claimed_at)

    @display(description="Proved (UTC)")
    def proved(self, device: Device) -> str:
        """When an unproven device first signed in with what its owner gave it."""
        if device.ownership_status != Ownership.UNPROVEN:
            return "needs no proof"
        if device.proved_at is None:
            return "not yet: it carries no secrets until it signs in with what its owner gave it"
        return moment(device.proved_at)

    @display(description="Tags")
    def tag_lines(self, device: Device) -> str:
        """The tags where they cannot be edited."""
        return ", ".join(sorted(tag.tag for tag in device.tags.all())) or "–"

    def link(self, device: Device) -> str:
        """The device's page."""
        return reverse("admin:devices_device_change", args=[quote(device.pk)])

    def named(self, device: Device) -> Mapping[UUID, str]:
        """What to call the commands that the timeline speaks of."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page with what hangs on the device, as far as the operator may see it."""
        device = context.get("original")
        if device is not None:
            context["status"] = label(device.status, STATUS)
            context.update(self.sections(request, device), show_save_and_add_another=False)
        return super().render_change_form(request, context, *args, **kwargs)

    def sections(self, request: HttpRequest, device: Device) -> dict[str, Any]:
        """What the template shows besides the form."""
        return {
            "moments": moments.read(device, self.named(device))
            if _may(request, device, "timelineentry")
            else None,
            "credentials": credentials.read(request, device) if _may(request, device, "credential") else None,
            "new_password": credentials.link(request, device),
            "moments_most": moments.MOST,
        }


def _may(request: HttpRequest, device: Device, model: str) -> bool:
    return any(scope.may(request, f"devices.{act}_{model}", device.tenant_id) for act in ("view", "change"))
