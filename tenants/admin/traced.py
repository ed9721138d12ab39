"""What Django's own pages change or delete goes to the audit log; `tenants.sign_ins` does it for what is new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest

from tenants import audit
from tenants.audit import Act

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _Pages
else:
    _Pages = object


class Traced(_Pages):  # type: ignore[type-arg]
    """Pages of people and groups; `traced_as` is what the log calls one of them."""

    traced_as: ClassVar[str]

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The names of the changed fields, which is what Django says of a change."""
        audit.record_all([self._act("changed", obj, fields=list(_fields(message)))])
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Those that are about to go."""
        audit.record_all(self._act("deleted", obj) for obj in queryset)
        return super().log_deletions(request, queryset)

    def _act(self, word: str, obj: Model, **data: object) -> Act:
        return Act(f"{self.traced_as}.{word}", self.traced_as, obj.pk, data={"name": str(obj), **data})


def _fields(message: object) -> Iterable[str]:
    for part in message if isinstance(message, list) else ():
        if isinstance(part, Mapping):
            yield from part.get("changed", {}).get("fields", ())
