from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """The conversation with devices."""

    name = "provisioning"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers the system checks."""
        from provisioning import checks  # noqa: F401
