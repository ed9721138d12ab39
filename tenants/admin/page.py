"""What every page keeps to: bounded lists, no lookups but its filters', services for writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.admin.paging import BoundedPaginator, ChangeList
from tenants.admin.scope import Scoped
from tenants.errors import CODES, Refusal

__all__ = ["Page", "attempt", "by", "display", "said"]

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    def display(*, description: str, label: Mapping[str, str] | None = None) -> Callable[[F], F]:
        """Names a column or field; `label` gives its words colours."""
        ...
else:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.decorators import display

    class ModelAdmin(_ModelAdmin):
        """django-unfold's, which does not say what model it is for."""

        def __class_getitem__(cls, model):
            return cls


M = TypeVar("M", bound=Model)


class Page(Scoped, ModelAdmin[M]):
    """The pages of one model, for operators only unless they have a `tenant_path`.

    Lists are in one order, the one that an index serves.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    sortable_by: ClassVar[tuple[str, ...]] = ()
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    list_fullwidth = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """A list without totals."""
        return ChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """As Django's, also for fields that complete what is typed; PostgreSQL takes no NUL."""
        return super().get_search_results(request, queryset, search_term.replace("\x00", ""))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what a filter of this page asks: any other could feel its way along a digest."""
        asked = lookup.split("__", 1)[0]
        return any(asked == _asks(listed) for listed in self.list_filter)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page; what a service refuses, because something changed meanwhile, is said on it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refusal as refusal:
            messages.error(request, said(refusal))
            return redirect(request.get_full_path())


def _asks(listed: Any) -> str:
    """The parameter that a filter reads, or its field's name."""
    if isinstance(listed, tuple):
        return str(listed[0])
    return str(getattr(listed, "parameter_name", listed))


def by(request: HttpRequest) -> str:
    """Who acts, as the timeline names them."""
    return f"member:{request.user.get_username()}"


def attempt(request: HttpRequest, act: Callable[[], object], done: str) -> bool:
    """Does it and says `done`, or says why it was refused; True if it was done."""
    try:
        act()
    except Refusal as refusal:
        messages.error(request, said(refusal))
        return False
    messages.success(request, done)
    return True


def said(refusal: Refusal) -> str:
    """A refusal as an operator reads it: its message says what to do."""
    return f"{CODES[refusal.code].title}. {refusal.message}"
