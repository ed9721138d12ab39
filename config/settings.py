"""Django's settings, from the environment only. What each variable means: config/environment.py."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any, cast

import environ
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.crypto import get_random_string

from config import environment

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = environment.VARIABLES
_given: dict[str, Any] = cast("dict[str, Any]", environment.read())

# An empty key is an error of `manage.py check` (keyseed.E001); until then a random one keeps Django importable.
KEYSEED_SECRET_KEY_GIVEN = bool(_given["KEYSEED_SECRET_KEY"])
SECRET_KEY = _given["KEYSEED_SECRET_KEY"] or get_random_string(64)
KEYSEED_FIELD_KEYS = [key.strip() for key in _given["KEYSEED_FIELD_KEYS"].split(",") if key.strip()]
DEBUG = _given["KEYSEED_DEBUG"]
ALLOWED_HOSTS = _given["KEYSEED_ALLOWED_HOSTS"]

KEYSEED_BEHIND_PROXY = _given["KEYSEED_HTTPS"]
KEYSEED_KEY_RATE = _given["KEYSEED_KEY_RATE"]
KEYSEED_STRANGER_RATE = _given["KEYSEED_STRANGER_RATE"]
KEYSEED_PLATFORM_KEY = _given["KEYSEED_PLATFORM_KEY"]
MQTT_URL = _given["MQTT_URL"]
KEYSEED_MQTT_ROOT = _given["KEYSEED_MQTT_ROOT"]
KEYSEED_GATEWAY_GROUP = _given["KEYSEED_GATEWAY_GROUP"]
KEYSEED_BATCH_MESSAGES = _given["KEYSEED_BATCH_MESSAGES"]
KEYSEED_MAX_DELIVERIES = _given["KEYSEED_MAX_DELIVERIES"]
KEYSEED_CLAIM_PROOF = _given["KEYSEED_CLAIM_PROOF"]
KEYSEED_UNPROVEN_SECRETS = _given["KEYSEED_UNPROVEN_SECRETS"]
KEYSEED_JWT_AUDIENCE = _given["KEYSEED_JWT_AUDIENCE"]
KEYSEED_WEBHOOK_ALLOW = _given["KEYSEED_WEBHOOK_ALLOW"]
KEYSEED_WEBHOOK_CA = _given["KEYSEED_WEBHOOK_CA"]
KEYSEED_MOSQUITTO_DIR = _given["KEYSEED_MOSQUITTO_DIR"]
KEYSEED_MOSQUITTO_DYNSEC = _given["KEYSEED_MOSQUITTO_DYNSEC"]
KEYSEED_MOSQUITTO_PID_FILE = _given["KEYSEED_MOSQUITTO_PID_FILE"]
KEYSEED_BROKER_TOKEN = _given["KEYSEED_BROKER_TOKEN"]
KEYSEED_BROKER_API = _given["KEYSEED_BROKER_API"]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tenants",
    "devices",
    "commands",
    "provisioning",
]
MIDDLEWARE = [
    "provisioning.http.Lean",
    "tenants.throttling.SignInThrottle",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tenants.acting.Middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": cast("dict[str, Any]", environ.Env.db_url_config(_given["DATABASE_URL"]))
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that reads first and writes later would fail where another one wrote in between.
    # FULL: what a device was told is stored must survive a power cut.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    # A database that is away is told soon: to a device's batch, to a request, to whoever asks /readyz.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    # The gateway's lock must not outlive its host: PostgreSQL gives a silent connection up after a minute and a half.
    _options = DATABASES["default"].setdefault("OPTIONS", {})
    _options["options"] = (
        "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 "
        + _options.get("options", "")
    ).strip()
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
if not STATIC_ROOT.is_dir():
    # Nobody ran collectstatic: the files are served from where the packages have them.
    WHITENOISE_USE_FINDERS = True
    warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)

# Where a sign-in leads that came to /admin/login/ itself.
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

if _given["KEYSEED_HTTPS"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# A batch of commands with certificates: 20 of them with 16 KiB each, and the JSON around it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.auth.APIKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.auth.RoleAllows"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.throttling.KeyThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenants.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tenants.parsers.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "tenants.schema.Schema",
    "EXCEPTION_HANDLER": "tenants.answers.on_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Keyseed",
    "DESCRIPTION": "Gets credentials and configuration onto IoT devices, and knows how far that has come.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["config.urls.without_aliases"],
    "TAGS": [
        {"name": "Devices", "description": "Claimed or defined, found, changed, blocked, unclaimed."},
        {"name": "Identity keys", "description": "What tells whether a claim's token is genuine."},
        {"name": "Credentials", "description": "How a device proves who it is."},
        {"name": "Commands", "description": "What a device is to do, in order, and what became of it."},
        {"name": "For devices", "description": "The device protocol over HTTP."},
        {"name": "Rules", "description": "Commands for every device that has certain tags."},
        {"name": "Webhooks", "description": "Who is told of what happens to your devices."},
        {"name": "Tenant", "description": "Your tenant, its API keys and its members."},
        {"name": "Platform", "description": "Tenants themselves, for who has the platform key."},
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    "ENUM_NAME_OVERRIDES": {
        "DeviceStatus": "devices.serializers.STATUSES",
        "ProvisioningState": "devices.serializers.PROVISIONING_STATES",
        "CredentialKind": "devices.serializers.CREDENTIAL_KINDS",
        "TimelineKind": "devices.serializers.TIMELINE_KINDS",
        "CommandStatus": "commands.serializers.STATES",
        "CommandErrorCode": "commands.serializers.ERROR_CODES",
        "BulkEndpoint": "devices.claim_serializers.ENDPOINTS",
        "BulkStatus": "devices.claim_serializers.BULK_STATUSES",
        "Role": "tenants.serializers.ROLES",
        "ActorKind": "tenants.audit_api.ACTOR_KINDS",
    },
}


def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split("_")

    def permission(request: HttpRequest) -> bool:
        # The admin's modules can be imported once the apps are there.
        from tenants.admin import scope

        return scope.may(request, f"{app}.view_{name}")

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": permission,
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Keyseed",
    "SITE_HEADER": "Keyseed",
    "SITE_SYMBOL": "potted_plant",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("tenants/favicon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "devices.admin.overview.dashboard",
    "STYLES": [lambda _: static("tenants/admin.css")],
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Fleet",
                "items": [
                    _entry("Devices", "memory", "devices_device"),
                    _entry("Rules", "rule", "commands_rule"),
                    _entry("Outbox", "outbox", "devices_outboxrow"),
                    _entry("Webhooks", "webhook", "tenants_webhook"),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _entry("Tenants", "domain", "tenants_tenant"),
                    _entry("Members", "badge", "tenants_member"),
                    _entry("API keys", "key", "tenants_apikey"),
                    _entry("Audit log", "history", "tenants_auditentry"),
                    _entry("Identity keys", "fingerprint", "devices_identitykey"),
                    _entry("Operators", "person", "auth_user"),
                    _entry("Groups", "group", "auth_group"),
                ],
            },
        ],
    },
}

CELERY_BROKER_URL = _given["CELERY_BROKER_URL"]
_IN_PROCESS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
# "requests" counts them; nothing that must work while Redis is away may use it.
CACHES: dict[str, dict[str, Any]] = {
    "default": _IN_PROCESS,
    "requests": {**_IN_PROCESS, "LOCATION": "requests"},
}
if CELERY_BROKER_URL.startswith("redis"):
    CACHES["requests"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CELERY_BROKER_URL,
        "KEY_PREFIX": "keyseed",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "msgpack"
CELERY_ACCEPT_CONTENT = ["msgpack", "json"]
CELERY_TASK_DEFAULT_QUEUE = "jobs"
CELERY_TASK_ROUTES = {"provisioning.inbound": {"queue": "inbound"}}
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A killed pool child's batch comes back at once, a killed worker's after the visibility timeout, which must
# be longer than any task may run: 30 s, and 60 s on top.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_TASK_TIME_LIMIT = 30
CELERY_TASK_SOFT_TIME_LIMIT = 25
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "visibility_timeout": 90,
    # A REST call that leaves something in the outbox must not wait for a Redis that is away or mute.
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Celery would close the database connection around every task: a tenth of a batch's cost.
CELERY_DB_REUSE_MAX = 1000
if CELERY_BROKER_URL.startswith("memory:"):
    # Inside one process: with prefetch 1 a task waits 2 s, with 0 and a short polling interval 5 ms.
    CELERY_WORKER_PREFETCH_MULTIPLIER = 0
    CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.005}
CELERY_BEAT_SCHEDULE = {
    # One that was not taken in time is worth nothing: the next one does its work.
    "outbox": {"task": "provisioning.outbox", "schedule": 10.0, "options": {"expires": 10}},
    "seal_audit": {"task": "provisioning.seal_audit", "schedule": 10.0, "options": {"expires": 10}},
    "webhooks": {
        "task": "provisioning.webhooks",
        "schedule": 10.0,
        "kwargs": {"sweep": True},
        "options": {"expires": 10},
    },
    "housekeeping": {"task": "provisioning.housekeeping", "schedule": 3600.0},
}


def _brief(record: logging.LogRecord) -> bool:
    """Leaves a line of what a stranger asked wrongly, and no traceback: he would fill the disk with them."""
    record.exc_info = None
    return True


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"brief": {"()": "django.utils.log.CallbackFilter", "callback": _brief}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "briefly": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["brief"]},
    },
    "root": {"handlers": ["stderr"], "level": _given["KEYSEED_LOG_LEVEL"]},
    "loggers": {
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security": {"handlers": ["briefly"], "propagate": False},
        "waitress.queue": {"level": "ERROR"},
        "django.server": {"handlers": ["stderr"], "propagate": False, "level": "WARNING"},
    },
}
