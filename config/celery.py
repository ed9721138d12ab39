"""The Celery app: `celery -A config worker -Q inbound`, `… -Q jobs`, `celery -A config beat`."""

import gc
import os

from celery import Celery
from celery.signals import setup_logging, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("keyseed")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["provisioning"])


@setup_logging.connect
def _keep_logging(**kwargs: object) -> None:
    """With a receiver here Celery leaves logging as LOGGING has set it up."""


@worker_process_init.connect
def _calm_garbage_collector(**kwargs: object) -> None:
    """A batch makes many values that live until it ends: looking through them again and again frees nothing."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
