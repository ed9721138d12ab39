"""What an operator may write of a device; everything else is the machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms

from devices.models import Device

if TYPE_CHECKING:
    from django.forms import Textarea
else:
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea

WRITABLE = ("name", "serial_number", "vendor_id", "class_id", "group")
TAGS_MOST = 50
TAG_MOST = 100


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The writable fields and the tags, one on each line."""

    tag_lines = forms.CharField(
        label="Tags",
        required=False,
        widget=Textarea(attrs={"rows": 4}),
        help_text=f"One on each line, at most {TAGS_MOST}, each at most {TAG_MOST} characters.",
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
        """The tags without repeats and empty lines."""
        lines = (line.strip() for line in self.cleaned_data["tag_lines"].splitlines())
        tags = list(dict.fromkeys(line for line in lines if line))
        if len(tags) > TAGS_MOST:
            raise forms.ValidationError(f"{len(tags)} tags are too many: {TAGS_MOST} is the most.")
        if any(len(tag) > TAG_MOST for tag in tags):
            raise forms.ValidationError(f"A tag has at most {TAG_MOST} characters.")
        return tags

    def clean(self) -> dict[str, Any] | None:
        """Names the field where the serial number is another device's of this tenant."""
        cleaned = super().clean() or self.cleaned_data
        number, tenant = cleaned.get("serial_number"), cleaned.get("tenant") or self.instance.tenant_id
        if number and tenant:
            same = Device.objects.filter(tenant=tenant, serial_number=number).exclude(pk=self.instance.pk)
            if other := same.values_list("id", flat=True).first():
                self.add_error("serial_number", f"Device {other} has this serial number.")
        return cleaned
