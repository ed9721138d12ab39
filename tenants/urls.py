"""Addresses of the tenant and its API keys, below /v1/."""

from django.urls import path, register_converter

from tenants.api import APIKeys, OneAPIKey, TheTenant
from tenants.ids import IdConverter

register_converter(IdConverter, "id")

urlpatterns = [
    path("tenant", TheTenant.as_view(), name="tenant"),
    path("api-keys", APIKeys.as_view(), name="api-keys"),
    path("api-keys/<id:key_id>", OneAPIKey.as_view(), name="api-key"),
]
