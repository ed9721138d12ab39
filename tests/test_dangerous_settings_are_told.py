"""Every system check with its id: what it refuses, and that a sound installation has none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from celery import current_app
from django.core.checks import run_checks
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from provisioning.checks import claims_of_several_tenants
from tenants.models import Tenant

SOUND: Mapping[str, object] = {
    "MQTT_URL": "mqtt://gateway:secret@127.0.0.1:1883",
    "KEYSEED_GATEWAY_GROUP": "",
    "ALLOWED_HOSTS": ["keyseed.example"],
    "CELERY_BROKER_URL": "redis://127.0.0.1/0",
}
TOLD = [
    ("keyseed.E001", {"KEYSEED_SECRET_KEY_GIVEN": False}),
    ("keyseed.E001", {"SECRET_KEY": "short"}),
    ("keyseed.E002", {"KEYSEED_FIELD_KEYS": []}),
    ("keyseed.E002", {"KEYSEED_FIELD_KEYS": ["not a key"]}),
    ("keyseed.E003", {"MQTT_URL": "http://broker"}),
    ("keyseed.E003", {"MQTT_URL": "mqtt://gateway:secret@host:99999"}),
    ("keyseed.E003", {"MQTT_URL": "mqtt://gateway:secret@host?version=4"}),
    ("keyseed.E004", {"MQTT_URL": "mqtt://127.0.0.1:1883"}),
    ("keyseed.E004", {"MQTT_URL": "mqtt://gateway@127.0.0.1:1883"}),
    ("keyseed.E005", {"KEYSEED_MQTT_ROOT": ""}),
    ("keyseed.E005", {"KEYSEED_MQTT_ROOT": "prov/+"}),
    ("keyseed.E005", {"KEYSEED_MQTT_ROOT": "/prov/v1"}),
    ("keyseed.E006", {"KEYSEED_BATCH_MESSAGES": 0}),
    ("keyseed.E006", {"KEYSEED_BATCH_MESSAGES": 100_000}),
    ("keyseed.E006", {"KEYSEED_MAX_DELIVERIES": 0}),
    ("keyseed.E009", {"KEYSEED_CLAIM_PROOF": "Known"}),
    ("keyseed.E009", {"KEYSEED_CLAIM_PROOF": ""}),
    ("keyseed.E009", {"KEYSEED_UNPROVEN_SECRETS": "yes"}),
    ("keyseed.E012", {"KEYSEED_PLATFORM_KEY": "k" * 31}),
    ("keyseed.E011", {"KEYSEED_WEBHOOK_ALLOW": ["10.1.0.1/16"]}),
    ("keyseed.E011", {"KEYSEED_WEBHOOK_CA": "/nowhere/ca.pem"}),
    ("keyseed.W001", {"KEYSEED_GATEWAY_GROUP": "gateways"}),
    ("keyseed.W001", {"KEYSEED_GATEWAY_GROUP": "a/" + "b" * 30}),
    ("keyseed.W003", {"CELERY_BROKER_URL": "memory://"}),
    ("keyseed.W004", {"ALLOWED_HOSTS": ["*"]}),
]


def _told() -> dict[str, str | None]:
    messages = run_checks(include_deployment_checks=True)
    return {
        message.id: message.hint for message in messages if message.id and message.id.startswith("keyseed.")
    }


def test_a_sound_installation_has_nothing_to_tell() -> None:
    with override_settings(**SOUND):
        assert _told() == {}


@pytest.mark.parametrize(("id", "wrong"), TOLD)
@pytest.mark.django_db
def test_a_dangerous_setting_is_told_with_a_hint(id: str, wrong: Mapping[str, object]) -> None:
    with override_settings(**{**SOUND, **wrong}):
        told = _told()
    assert list(told) == [id]
    assert told[id]


FOR_ONE = [
    {"KEYSEED_CLAIM_PROOF": "first-use"},
    {"KEYSEED_CLAIM_PROOF": "off"},
    {"KEYSEED_UNPROVEN_SECRETS": "allow"},
]


@pytest.mark.parametrize("given", FOR_ONE)
@pytest.mark.django_db
def test_a_setting_for_one_tenant_is_told_where_there_are_two(given: Mapping[str, object]) -> None:
    with override_settings(**{**SOUND, **given}):
        Tenant.objects.create(name="here")
        assert _told() == {}
        there = Tenant.objects.create(name="there")
        assert list(_told()) == ["keyseed.E010"]
        Tenant.objects.filter(id=there.id).update(sandbox=True)
        # What a sandbox is for is claiming without proof; secrets are another matter.
        assert list(_told()) == (["keyseed.E010"] if "KEYSEED_UNPROVEN_SECRETS" in given else [])


def test_a_sound_installation_does_not_ask_the_database_for_it(django_db_blocker: DjangoDbBlocker) -> None:
    with override_settings(**SOUND), django_db_blocker.block():
        assert claims_of_several_tenants() == []


def test_a_database_that_is_not_postgresql_is_told(settings: object) -> None:
    from django.conf import settings as live

    engine = live.DATABASES["default"]["ENGINE"]
    with override_settings(**SOUND):
        live.DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"
        try:
            assert list(_told()) == ["keyseed.W002"]
        finally:
            live.DATABASES["default"]["ENGINE"] = engine


@pytest.mark.parametrize("name", ["task_acks_late", "task_reject_on_worker_lost"])
def test_a_celery_that_loses_batches_is_told(name: str) -> None:
    current_app.conf[name] = False
    try:
        with override_settings(**SOUND):
            assert list(_told()) == ["keyseed.E008"]
    finally:
        current_app.conf[name] = True
