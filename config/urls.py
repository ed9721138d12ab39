"""Where everything is served: REST below /v1/, its documents, the admin, and the health checks."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from provisioning.health import healthz, readyz
from tenants.answers import no_such_address

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("v1/openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("v1/docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
    path("v1/", include("tenants.urls")),
    path("v1/", include("devices.urls")),
    path("v1/", include("commands.urls")),
    re_path(r"^v1(?:/(?P<rest>.*))?$", no_such_address),
]
handler400 = "tenants.answers.bad_request"
handler500 = "tenants.answers.server_error"
