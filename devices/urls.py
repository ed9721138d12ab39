"""Addresses of devices, their credentials and timelines, below /v1/."""

from django.urls import path

from devices.api import Credentials, Devices, OneCredential, OneDevice, Timeline

urlpatterns = [
    path("claimed-devices", Devices.as_view(), name="devices"),
    path("claimed-devices/<id:device_id>", OneDevice.as_view(), name="device"),
    path("claimed-devices/<id:device_id>/credentials", Credentials.as_view(), name="credentials"),
    path(
        "claimed-devices/<id:device_id>/credentials/<id:credential_id>",
        OneCredential.as_view(),
        name="credential",
    ),
    path("claimed-devices/<id:device_id>/timeline", Timeline.as_view(), name="timeline"),
]
