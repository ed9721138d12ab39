"""What an operator may write of a device; everything else is the machine's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from rest_framework.exceptions import ValidationError

from devices.models import Device
from devices.serializers import TAG_MOST, TAGS_MOST
from tenants.serializers import check_line

if TYPE_CHECKING:
    from django.forms import Textarea
else:
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea

WRITABLE = ("name", "serial_number", "vendor_id", "class_id", "group")


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The writable fields and the tags, one on each line."""

    tag_lines = forms.CharField(
        label="Tags",
        required=False,
        widget=Textarea(attrs={"rows": 4}),
        help_text=f"One on each line or parted by commas: at most {TAGS_MOST} of {TAG_MOST} characters.",
    )

    class Meta:
        model = Device
        fields: ClassVar = ["tenant", *WRITABLE]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "tag_lines" in self.fields and self.instance.tenant_id is not None:
            tags = self.instance.tags.order_by("tag").values_list("tag", flat=True)
            self.initial["tag_lines"] = "\n".join(tags)

    def clean_tag_lines(self) -> list[str]:
        """The tags without repeats and empty lines, by the same rules as REST's."""
        lines = (line.strip() for line in re.split("[,\r\n]", self.cleaned_data["tag_lines"]))
        tags = list(dict.fromkeys(line for line in lines if line))
        if len(tags) > TAGS_MOST:
            raise forms.ValidationError(f"{len(tags)} tags are too many: {TAGS_MOST} is the most.")
        for tag in tags:
            if len(tag) > TAG_MOST:
                raise forms.ValidationError(f"A tag has at most {TAG_MOST} characters.")
            _check_line(tag)
        return tags

    def clean(self) -> dict[str, Any] | None:
        """Names the field where the serial number is another device's of this tenant."""
        cleaned = super().clean() or self.cleaned_data
        for name in WRITABLE:
            try:
                _check_line(cleaned.get(name, ""))
            except forms.ValidationError as wrong:
                self.add_error(name, wrong)
        number, tenant = cleaned.get("serial_number"), cleaned.get("tenant") or self.instance.tenant_id
        if number and tenant:
            same = Device.objects.filter(tenant=tenant, serial_number=number).exclude(pk=self.instance.pk)
            if other := same.values_list("id", flat=True).first():
                self.add_error("serial_number", f"Device {other} has this serial number.")
        return cleaned


def _check_line(text: str) -> None:
    """The rule of REST. Raises forms.ValidationError."""
    try:
        check_line(text)
    except ValidationError as wrong:
        raise forms.ValidationError([str(reason) for reason in wrong.detail]) from None
