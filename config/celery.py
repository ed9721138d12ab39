"""The Celery app: `celery -A config worker -Q inbound`, `… -Q jobs`, `celery -A config beat`."""

import gc
import os
import sys

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init
from django.core.management.base import SystemCheckError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("keyseed")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["provisioning"])


@setup_logging.connect
def _keep_logging(**kwargs: object) -> None:
    """With a receiver here Celery leaves logging as LOGGING has set it up."""


@worker_init.connect
def _refuse_unfit_settings(**kwargs: object) -> None:
    """Celery runs Django's checks and goes on whatever they say."""
    from provisioning.checks import require

    try:
        require()
    except SystemCheckError as error:
        sys.exit(str(error))  # Celery swallows every other exception of a receiver


@worker_process_init.connect
def _calm_garbage_collector(**kwargs: object) -> None:
    """A batch makes many values that live until it ends: looking through them again and again frees nothing."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
