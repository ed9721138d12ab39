"""Addresses of devices, of their claims, credentials and timelines, of identity keys and webhooks, below /v1/."""

from django.urls import path

from devices.api import Credentials, Devices, OneCredential, OneDevice, Timeline
from devices.claim_api import BulkClaims, Onboarding, OneBulkRequest
from devices.identity_api import IdentityKeys, OneIdentityKey
from devices.webhook_api import Deliveries, OneWebhook, Resumption, Rotation, Test, Webhooks

# `bulk` before the ids: `<id:…>` takes any word, to answer it as an object that does not exist.
urlpatterns = [
    path("claimed-devices", Devices.as_view(), name="devices"),
    path("claimed-devices/bulk", BulkClaims.as_view(), name="bulk-claims"),
    path("claimed-devices/<id:device_id>", OneDevice.as_view(), name="device"),
    path("claimed-devices/<id:device_id>/credentials", Credentials.as_view(), name="credentials"),
    path(
        "claimed-devices/<id:device_id>/credentials/<id:credential_id>",
        OneCredential.as_view(),
        name="credential",
    ),
    path("claimed-devices/<id:device_id>/timeline", Timeline.as_view(), name="timeline"),
    path("devices", Onboarding.as_view(), name="onboarding"),
    path("bulk-ops-requests/<id:bulk_id>", OneBulkRequest.as_view(), name="bulk-request"),
    path("identity-keys", IdentityKeys.as_view(), name="identity-keys"),
    path("identity-keys/<id:device_id>", OneIdentityKey.as_view(), name="identity-key"),
    path("webhooks", Webhooks.as_view(), name="webhooks"),
    path("webhooks/<id:webhook_id>", OneWebhook.as_view(), name="webhook"),
    path("webhooks/<id:webhook_id>/rotate-secret", Rotation.as_view(), name="webhook-secret"),
    path("webhooks/<id:webhook_id>/resume", Resumption.as_view(), name="webhook-resume"),
    path("webhooks/<id:webhook_id>/test", Test.as_view(), name="webhook-test"),
    path("webhooks/<id:webhook_id>/deliveries", Deliveries.as_view(), name="webhook-deliveries"),
]
