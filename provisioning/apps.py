from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """The conversation with devices."""

    name = "provisioning"
    default_auto_field = "django.db.models.BigAutoField"
