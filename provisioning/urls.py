"""Addresses of the device protocol over HTTP, below /v1/. Source: WIRE.md 9."""

from django.urls import path

from provisioning.http import Commands, Responses

urlpatterns = [
    path("provisioning/commands", Commands.as_view(), name="device-commands"),
    path("provisioning/response", Responses.as_view(), name="device-response"),
]
