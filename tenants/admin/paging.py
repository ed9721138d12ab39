"""A list is counted and paged through only as far as `MOST`: a million rows cost what a thousand cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList as _ChangeList
    from django.core.paginator import Paginator as _Paginator
    from django.db.models.expressions import Combinable

    Paginator = _Paginator[Any]
else:
    from django.core.paginator import Paginator
    from unfold.views import ChangeList as _ChangeList

MOST = 1_000


class BoundedPaginator(Paginator):
    """Pages over the first `MOST` rows; `more` says that there are others."""

    template_name = "tenants/pagination.html"

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through, at most `MOST`."""
        return min(self._seen, MOST)

    @cached_property
    def more(self) -> bool:
        """Whether rows were left out."""
        return self._seen > MOST

    @cached_property
    def _seen(self) -> int:
        # The order stays: counting then walks the index that the page itself is read by.
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.values("pk")[: MOST + 1].count()


class ChangeList(_ChangeList):
    """A list in its page's one order that never names a total, since it never counts one."""

    def get_filters(self, request: HttpRequest) -> Any:
        """As Django's. Raises IncorrectLookupParameters for a NUL, which PostgreSQL takes in no text."""
        if any("\x00" in value for values in dict(request.GET.lists()).values() for value in values):
            raise IncorrectLookupParameters("a NUL")
        return super().get_filters(request)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """The page's order, whatever the address asks for: no other has an index."""
        return list(self.model_admin.get_ordering(request))

    def get_results(self, request: HttpRequest) -> None:
        """Reads the page; the header compares the two counts and stays silent where they are equal."""
        super().get_results(request)
        self.full_result_count = self.result_count
