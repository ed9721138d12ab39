from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Devices, their credentials, tags and timeline, and the outbox."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"
