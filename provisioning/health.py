"""Whether this process lives (`healthz`) and can serve (`readyz`). No answer tells where anything is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

BROKER_SECONDS = 2

log = logging.getLogger(__name__)


class Missing(Exception):
    """Something that serving needs is not there; says what to do."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all: nothing else is asked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when all of `CHECKS` hold, else 503 with what is missing."""
    missing = _missing()
    status = "missing" if missing else "ok"
    return JsonResponse({"status": status, "missing": missing}, status=503 if missing else 200)


def _missing() -> dict[str, str]:
    missing = {}
    for name, check in CHECKS.items():
        try:
            check()
        except Missing as error:
            missing[name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, it is not there
            log.warning("readyz: %s: %s", name, type(error).__name__)
            missing[name] = "It does not answer."
    return missing


_migrated = False


def _database() -> None:
    """It answers, and has its tables; once it has, they stay for the life of this process."""
    global _migrated  # noqa: PLW0603 - it never goes back
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise Missing("Its migrations are not applied: run `manage.py migrate`.")
        _migrated = True


def _broker() -> None:
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        return
    url = settings.CELERY_BROKER_URL
    # One that takes the connection and then says nothing must not hold the answer up either.
    limits = {"socket_connect_timeout": BROKER_SECONDS, "socket_timeout": BROKER_SECONDS}
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **limits}
    with current_app.connection_for_write(url, transport_options=options) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)


CHECKS: Mapping[str, Callable[[], None]] = {
    "database": _database,
    "queue": _broker,
}
