"""Dangerous or missing settings, told by `manage.py check` and before every command that serves.

Each has an id that stays the same, and a hint that says what to do.
"""

from __future__ import annotations

import re
from importlib import import_module

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks
from django.core.management.base import SystemCheckError
from django.db import DatabaseError

from devices import events, outbox
from devices.proof import Proof
from pki.sealing import Sealer
from provisioning import asking, hook_client, mqtt
from provisioning.dynsec import records, wanted
from tenants import bootstrap
from tenants.auth import PLATFORM_LEAST
from tenants.models import Tenant

SECRET_KEY_LEAST = 50
CLAIM_SETTINGS = {
    "KEYSEED_CLAIM_PROOF": tuple(word.value for word in Proof),
    "KEYSEED_UNPROVEN_SECRETS": ("refuse", "allow"),
}


def require() -> None:
    """For processes that are no command of `manage.py`: raises SystemCheckError where one of these is an error."""
    errors = [message for message in run_checks() if message.is_serious()]
    if errors:
        raise SystemCheckError("\n".join(map(str, errors)))


@register(Tags.security)
def secret_key(**kwargs: object) -> list[CheckMessage]:
    """E001: a key that is made at every start ends all sessions; a short one can be guessed."""
    if not settings.KEYSEED_SECRET_KEY_GIVEN:
        hint = "Set KEYSEED_SECRET_KEY, or KEYSEED_SECRET_KEY_FILE, to at least 50 random characters."
        return [Error("KEYSEED_SECRET_KEY is not set.", hint=hint, id="keyseed.E001")]
    if len(settings.SECRET_KEY) < SECRET_KEY_LEAST:
        hint = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        return [Error("KEYSEED_SECRET_KEY is too short.", hint=hint, id="keyseed.E001")]
    return []


@register(Tags.security)
def field_keys(**kwargs: object) -> list[CheckMessage]:
    """E002: without a key no secret can be stored; one that is no key would show at the first secret."""
    hint = "Make one with `manage.py field_key` and set KEYSEED_FIELD_KEYS. Keep it as safe as the database."
    if not settings.KEYSEED_FIELD_KEYS:
        return [Error("KEYSEED_FIELD_KEYS is not set.", hint=hint, id="keyseed.E002")]
    try:
        Sealer(settings.KEYSEED_FIELD_KEYS)
    except ValueError:
        return [Error("KEYSEED_FIELD_KEYS holds something that is no key.", hint=hint, id="keyseed.E002")]
    return []


@register()
def mqtt_url(**kwargs: object) -> list[CheckMessage]:
    """E003, E004: the broker's address must be one; a service without a password is anybody."""
    try:
        address = mqtt.parse(settings.MQTT_URL)
    except (mqtt.BadURL, ValueError):
        hint = "Write mqtt://gateway:password@host:port."
        return [Error("MQTT_URL is not a broker's address.", hint=hint, id="keyseed.E003")]
    if not address.user or not address.password:
        hint = "Put the service's user and password into MQTT_URL, and let the broker refuse everybody without one."
        return [Error("MQTT_URL has no user and password.", hint=hint, id="keyseed.E004")]
    return []


@register()
def mqtt_root(**kwargs: object) -> list[CheckMessage]:
    """E005: a wildcard in the root would open every device's topics to every device."""
    root = settings.KEYSEED_MQTT_ROOT
    if not root or root != root.strip("/") or set(root) & set("+#$\x00 "):
        hint = "Use a plain topic such as prov/v1: no +, #, $, blanks, and no slash at either end."
        return [Error("KEYSEED_MQTT_ROOT is not a plain topic.", hint=hint, id="keyseed.E005")]
    return []


@register()
def gateway_group(**kwargs: object) -> list[CheckMessage]:
    """W001: a device that guesses the group's name takes messages from the gateways (Mosquitto does not check)."""
    group = settings.KEYSEED_GATEWAY_GROUP
    if group and (len(group) < 20 or set(group) & set("+#/\x00 ")):
        hint = "Use at least 20 random letters and digits: python -c 'import secrets; print(secrets.token_hex(16))'"
        return [Warning("KEYSEED_GATEWAY_GROUP can be guessed.", hint=hint, id="keyseed.W001")]
    return []


@register()
def limits(**kwargs: object) -> list[CheckMessage]:
    """E006: a batch has messages, and a command is served at least once."""
    wrong = [
        name for name in ("KEYSEED_BATCH_MESSAGES", "KEYSEED_MAX_DELIVERIES") if getattr(settings, name) < 1
    ]
    if settings.KEYSEED_BATCH_MESSAGES > 5_000:
        wrong.append("KEYSEED_BATCH_MESSAGES")
    hint = "KEYSEED_BATCH_MESSAGES is 1 to 5000, KEYSEED_MAX_DELIVERIES at least 1."
    return [Error(f"{name} is out of range.", hint=hint, id="keyseed.E006") for name in wrong]


@register()
def tasks(**kwargs: object) -> list[CheckMessage]:
    """E007: tasks are asked for by name on commit, so the names must be registered."""
    import_module("provisioning.tasks")
    hint = "Name provisioning in INSTALLED_APPS and let Celery discover its tasks."
    lost = [name for name in (outbox.TASK, events.TASK) if name not in current_app.tasks]
    return [Error(f"No Celery task is called {name}.", hint=hint, id="keyseed.E007") for name in lost]


@register()
def webhook_settings(**kwargs: object) -> list[CheckMessage]:
    """E011: with these unfit, nothing would be sent to any webhook."""
    try:
        hook_client.configured()
    except (ValueError, OSError) as error:
        hint = (
            "KEYSEED_WEBHOOK_ALLOW is a list of networks such as 10.1.0.0/16, KEYSEED_WEBHOOK_CA a PEM file that the "
            "workers can read."
        )
        return [Error(f"Webhooks cannot be sent: {error}", hint=hint, id="keyseed.E011")]
    return []


@register()
def celery_safety(**kwargs: object) -> list[CheckMessage]:
    """E008: with these off, a killed worker loses the batch that it had."""
    hint = "Leave CELERY_TASK_ACKS_LATE and CELERY_TASK_REJECT_ON_WORKER_LOST on."
    off = [name for name in ("task_acks_late", "task_reject_on_worker_lost") if not current_app.conf[name]]
    return [Error(f"Celery's {name} is off.", hint=hint, id="keyseed.E008") for name in off]


@register(Tags.security)
def claim_settings(**kwargs: object) -> list[CheckMessage]:
    """E009: a word that is not known would be taken for another than was meant."""
    return [
        Error(
            f"{name} is none of {', '.join(words)}.",
            hint=f"Set it to {words[0]} or leave it out.",
            id="keyseed.E009",
        )
        for name, words in CLAIM_SETTINGS.items()
        if getattr(settings, name) not in words
    ]


@register(Tags.security)
def platform_key(**kwargs: object) -> list[CheckMessage]:
    """E012: a key that makes tenants must not be guessed; a short one opens nothing."""
    if 0 < len(settings.KEYSEED_PLATFORM_KEY) < PLATFORM_LEAST:
        hint = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        return [Error("KEYSEED_PLATFORM_KEY is too short.", hint=hint, id="keyseed.E012")]
    return []


@register(Tags.security)
def broker_token(**kwargs: object) -> list[CheckMessage]:
    """E013: whoever has it may try passwords without end; it stands in addresses, so it must need no escaping."""
    token = settings.KEYSEED_BROKER_TOKEN
    if token and re.fullmatch(r"[A-Za-z0-9_-]{32,}", token) is None:
        hint = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        what = "KEYSEED_BROKER_TOKEN is not 32 or more letters, digits, - and _."
        return [Error(what, hint=hint, id="keyseed.E013")]
    return []


@register()
def broker_api(**kwargs: object) -> list[CheckMessage]:
    """E014, W005: without the API of a broker that asks, a blocked device stays connected."""
    if settings.KEYSEED_BROKER_API:
        try:
            asking.parse(settings.KEYSEED_BROKER_API)
        except asking.BadURL as wrong:
            what = "KEYSEED_BROKER_API is not the address of a broker's API."
            return [Error(what, hint=str(wrong), id="keyseed.E014")]
        return []
    if not settings.KEYSEED_BROKER_TOKEN:
        return []
    what = "A broker may ask who comes in, and nothing tells it who has to go."
    hint = "Set KEYSEED_BROKER_API, so that the sessions of blocked devices and of revoked credentials end."
    return [Warning(what, hint=hint, id="keyseed.W005")]


@register(Tags.security)
def claims_of_several_tenants(**kwargs: object) -> list[CheckMessage]:
    """E010: what one tenant may do with its own devices, several may not with each other's.

    The database is asked only where the settings are such, and need not be there yet.
    """
    if bootstrap.for_one_tenant(sandbox=False) is None:
        return []
    try:
        several = Tenant.objects.count() > 1
        sandbox = Tenant.objects.filter(sandbox=True).exists()
    except DatabaseError:
        return []
    reason = bootstrap.for_one_tenant(sandbox) if several else None
    hint = "Set KEYSEED_CLAIM_PROOF to known and KEYSEED_UNPROVEN_SECRETS to refuse."
    return [Error(f"There are several tenants. {reason}", hint=hint, id="keyseed.E010")] if reason else []


@register()
def dynsec(**kwargs: object) -> list[CheckMessage]:
    """E015, E016, W006: the plugin's admin must be one, one broker is filled in one way, and the plugin is slow."""
    url = settings.KEYSEED_MOSQUITTO_DYNSEC
    if not url:
        return []
    found: list[CheckMessage] = []
    try:
        address = mqtt.parse(url)
        named = bool(address.user and address.password)
    except (mqtt.BadURL, ValueError):
        named = False
    if not named:
        hint = "Write mqtt://admin:password@host:port, with the plugin's admin."
        found.append(Error("KEYSEED_MOSQUITTO_DYNSEC is no admin's address.", hint=hint, id="keyseed.E015"))
    if settings.KEYSEED_MOSQUITTO_DIR:
        hint = "Leave KEYSEED_MOSQUITTO_DIR out for the dynamic security plugin, KEYSEED_MOSQUITTO_DYNSEC for files."
        found.append(Error("Mosquitto is to be filled in two ways.", hint=hint, id="keyseed.E016"))
    return [*found, *_too_many_for_dynsec()]


def _too_many_for_dynsec() -> list[CheckMessage]:
    try:
        count = wanted.count()
    except DatabaseError:
        return []
    if count <= records.DEVICES_MOST:
        return []
    hint = (
        "The plugin writes its whole file at every change and serves nobody meanwhile. Move to password_file and "
        "acl_file: KEYSEED_MOSQUITTO_DIR."
    )
    what = f"{count} devices are more than the {records.DEVICES_MOST} that Mosquitto's dynamic security plugin is for."
    return [Warning(what, hint=hint, id="keyseed.W006")]


@register(Tags.security, deploy=True)
def deployment(**kwargs: object) -> list[CheckMessage]:
    """W002 to W004: what serves a try and not a fleet."""
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        hint = "Set DATABASE_URL to a PostgreSQL database; SQLite is for `standalone`."
        found.append(Warning("The database is not PostgreSQL.", hint=hint, id="keyseed.W002"))
    if not settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        hint = "Set CELERY_BROKER_URL to redis://host:port/0."
        found.append(Warning("Celery's broker is not Redis.", hint=hint, id="keyseed.W003"))
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts in KEYSEED_ALLOWED_HOSTS."
        found.append(Warning("KEYSEED_ALLOWED_HOSTS lets every host name in.", hint=hint, id="keyseed.W004"))
    return found
