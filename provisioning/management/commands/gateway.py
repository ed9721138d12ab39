"""The process that takes messages from MQTT and hands them to Celery."""

from __future__ import annotations

import signal
from typing import Any

from celery.app import app_or_default
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from provisioning import single
from provisioning.gateway import Gateway, Queue


class Command(BaseCommand):
    help = "Takes what devices send from the MQTT broker and hands it to the workers."

    def handle(self, **options: Any) -> None:
        app = app_or_default()
        gateway = Gateway(
            settings.MQTT_URL,
            settings.KEYSEED_MQTT_ROOT,
            Queue(app),
            group=settings.KEYSEED_GATEWAY_GROUP,
            batch=settings.KEYSEED_BATCH_MESSAGES,
            on_ready=self._ready,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: gateway.stop())
        try:
            with single.only_one("gateway", unless=bool(settings.KEYSEED_GATEWAY_GROUP)):
                gateway.run()
        except single.Taken as error:
            raise CommandError(str(error)) from error

    def _ready(self) -> None:
        self.stdout.write("ready: subscribed")
        self.stdout.flush()
