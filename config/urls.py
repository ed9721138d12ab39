"""Where everything is served: REST below /v1/, its documents, the admin, and the health checks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from provisioning import broker_http
from provisioning.health import healthz, readyz
from tenants.answers import no_such_address

# Some documents of nRF Cloud have claimed devices there, its clients do not. Source: docs/nrf-cloud.md.
ALIAS = "v1/identities/"


def _claimed() -> list[URLPattern | URLResolver]:
    """Everything below /v1/claimed-devices; `tenants.urls` has to be read before."""
    modules = map(import_module, ("devices.urls", "commands.urls"))
    found = [one for module in modules for one in module.urlpatterns]
    return [one for one in found if str(one.pattern).startswith("claimed-devices")]


def without_aliases(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """The addresses that the OpenAPI document has: each thing once."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith(f"/{ALIAS}")]


urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("broker/auth", broker_http.auth),
    path("broker/acl", broker_http.acl),
    path("broker/rabbitmq/<str:token>/<str:question>", broker_http.rabbitmq),
    path("v1/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("v1/docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
    path("v1/", include("tenants.urls")),
    path(ALIAS, include(_claimed())),
    path("v1/", include("devices.urls")),
    path("v1/", include("commands.urls")),
    path("v1/", include("provisioning.urls")),
    re_path(r"^v1(?:/(?P<rest>.*))?$", no_such_address),
]
handler400 = "tenants.answers.bad_request"
handler500 = "tenants.answers.server_error"
