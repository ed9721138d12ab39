"""Every address of the admin, read from the URL configuration, so that none can be forgotten."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver


@dataclass(frozen=True)
class Address:
    """One address; `model` is whose page it is, `parameters` what it takes, with the name of each converter."""

    name: str
    route: str
    model: type[Model] | None
    parameters: tuple[str, ...]

    def path(self, ids: Mapping[str, object]) -> str:
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(ids[found[1]]), self.route)
        return f"/admin/{filled}"


def addresses() -> list[Address]:
    models = {f"{m._meta.app_label}/{m._meta.model_name}/": m for m in admin.site._registry}
    return list(_below(admin.site.get_urls(), "", models))


def _below(patterns: Any, prefix: str, models: Mapping[str, type[Model]]) -> Iterator[Address]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _below(one.url_patterns, prefix + str(one.pattern), models)
        elif isinstance(one, URLPattern):
            route = prefix + str(one.pattern)
            model = next((found for at, found in models.items() if route.startswith(at)), None)
            yield Address(str(one.name), route, model, tuple(re.findall(r"<(?:\w+:)?(\w+)>", route)))
