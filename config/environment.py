"""Every environment variable that Keyseed reads stands in `VARIABLES`; docs/settings.md is made from it.

Each may also be given as NAME_FILE, the path of a file that holds the value, which keeps secrets out of `ps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import environ

from commands import limits


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its type, its default as one would write it, and what it is for."""

    name: str
    type: type
    default: str
    about: str


VARIABLES: tuple[Variable, ...] = (
    Variable("KEYSEED_SECRET_KEY", str, "", "Signs sessions and page tokens. At least 50 random characters."),
    Variable(
        "KEYSEED_FIELD_KEYS",
        str,
        "",
        "Keys that encrypt secrets at rest, comma-separated; the first encrypts, all decrypt. "
        "`manage.py field_key` makes one.",
    ),
    Variable("KEYSEED_DEBUG", bool, "false", "Shows tracebacks to whoever causes them. Never in production."),
    Variable(
        "KEYSEED_ALLOWED_HOSTS", list, "localhost,127.0.0.1", "Host names that the web part answers to."
    ),
    Variable(
        "KEYSEED_HTTPS",
        bool,
        "false",
        "The web part stands behind a TLS proxy that sets X-Forwarded-Proto: secure cookies, HSTS, redirects.",
    ),
    Variable(
        "KEYSEED_KEY_RATE", int, "6000", "Requests a minute of one API key; above that 429. 0: no limit."
    ),
    Variable(
        "KEYSEED_STRANGER_RATE",
        int,
        "120",
        "Requests a minute of one address without a valid API key, token or password; above that 429. 0: no limit.",
    ),
    Variable(
        "KEYSEED_PLATFORM_KEY",
        str,
        "",
        "Bearer key of /v1/tenants, which makes and lists tenants and sees nothing in them: at least 32 random "
        "characters. Empty: none.",
    ),
    Variable("KEYSEED_LOG_LEVEL", str, "INFO", "DEBUG, INFO, WARNING or ERROR."),
    Variable("DATABASE_URL", str, "sqlite:///keyseed.sqlite3", "postgres://user:password@host:port/name"),
    Variable("CELERY_BROKER_URL", str, "memory://", "redis://host:port/0, or memory:// inside `standalone`."),
    Variable(
        "MQTT_URL",
        str,
        "mqtt://127.0.0.1:1883",
        "The broker and the service's user: mqtt://gateway:password@host:port; `mqtts` for TLS; "
        "`?version=3.1.1` for a broker that does not know MQTT 5.",
    ),
    Variable("KEYSEED_MQTT_ROOT", str, "prov/v1", "Where the devices' topics begin. Source: WIRE.md 1.6."),
    Variable(
        "KEYSEED_GATEWAY_GROUP",
        str,
        "",
        "Name of the gateways' shared subscription, a secret. Empty: one gateway, no shared subscription.",
    ),
    Variable("KEYSEED_BATCH_MESSAGES", int, "500", "Most messages in one batch."),
    Variable(
        "KEYSEED_MAX_DELIVERIES",
        int,
        str(limits.MAX_DELIVERIES),
        "Times a command is served unanswered before it fails.",
    ),
    Variable(
        "KEYSEED_CLAIM_PROOF",
        str,
        "known",
        "What a claim by attestation token must prove. `known`: its signature verifies with an imported identity key; "
        "`first-use`: nothing, and the device's key is learnt when it first signs in; `off`: nothing. The last two "
        "only with one tenant, or for tenants marked sandbox.",
    ),
    Variable(
        "KEYSEED_UNPROVEN_SECRETS",
        str,
        "refuse",
        "`allow` lets devices that were claimed without proof carry secrets; only with one tenant.",
    ),
    Variable(
        "KEYSEED_JWT_AUDIENCE",
        str,
        "keyseed",
        "The name that `aud` in a device's token must be, where it is there.",
    ),
    Variable(
        "KEYSEED_WEBHOOK_ALLOW",
        list,
        "",
        "Networks that webhooks may reach although they are not public, such as `10.1.0.0/16,fd12::/32`.",
    ),
    Variable(
        "KEYSEED_WEBHOOK_CA",
        str,
        "",
        "File of CA certificates, PEM, that receivers of webhooks may have theirs from, beside the system's.",
    ),
    Variable(
        "KEYSEED_MOSQUITTO_DIR",
        str,
        "",
        "Folder of Mosquitto's files: users, access, device CA, revocations; written anew when credentials change.",
    ),
    Variable(
        "KEYSEED_MOSQUITTO_DYNSEC",
        str,
        "",
        "mqtt://admin:password@host:port, or mqtts: the admin of Mosquitto's dynamic security plugin, who is told when "
        "credentials change; instead of KEYSEED_MOSQUITTO_DIR, and for at most 5000 devices.",
    ),
    Variable(
        "KEYSEED_MOSQUITTO_PID_FILE", str, "", "Mosquitto's pid file, for SIGHUP after the files changed."
    ),
    Variable(
        "KEYSEED_BROKER_TOKEN",
        str,
        "",
        "What RabbitMQ or EMQX shows when it asks over HTTP who may come in: at least 32 random letters and digits. "
        "Empty: nobody may ask.",
    ),
    Variable(
        "KEYSEED_BROKER_API",
        str,
        "",
        "The API by which such a broker's sessions are ended: rabbitmq+http://user:password@host:15672 or "
        "emqx+http://key:secret@host:18083; https for TLS.",
    ),
)


def read() -> dict[str, object]:
    """The value of every variable, typed. Raises `django.core.exceptions.ImproperlyConfigured` with the name."""
    env = environ.FileAwareEnv()
    return {variable.name: _value(env, variable) for variable in VARIABLES}


def _value(env: environ.FileAwareEnv, variable: Variable) -> object:
    value = env.get_value(variable.name, cast=variable.type, default=_default(env, variable))
    # A file that holds a value usually ends with a line end that is not part of it.
    return value.strip() if isinstance(value, str) else value


def _default(env: environ.FileAwareEnv, variable: Variable) -> object:
    return env.parse_value(variable.default, variable.type)
