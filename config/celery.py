"""The Celery app: `celery -A config worker -Q inbound`, `… -Q jobs`, `celery -A config beat`."""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("keyseed")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["provisioning"])


@setup_logging.connect
def _keep_logging(**kwargs: object) -> None:
    """With a receiver here Celery leaves logging as LOGGING has set it up."""
