"""Addresses of the tenant and its API keys, below /v1/."""

from django.urls import path, register_converter

from tenants.api import APIKeys, OneAPIKey, TheTenant
from tenants.audit_api import AuditLog
from tenants.ids import IdConverter
from tenants.member_api import Members, OneMember
from tenants.platform_api import OneTenant, Tenants

register_converter(IdConverter, "id")

urlpatterns = [
    path("tenant", TheTenant.as_view(), name="tenant"),
    path("audit-log", AuditLog.as_view(), name="audit-log"),
    path("api-keys", APIKeys.as_view(), name="api-keys"),
    path("api-keys/<id:key_id>", OneAPIKey.as_view(), name="api-key"),
    path("members", Members.as_view(), name="members"),
    path("members/<id:member_id>", OneMember.as_view(), name="member"),
    path("tenants", Tenants.as_view(), name="tenants"),
    path("tenants/<id:tenant_id>", OneTenant.as_view(), name="one-tenant"),
]
