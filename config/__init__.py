"""Settings and entry points; no rules, and nobody imports it but the server programs."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
