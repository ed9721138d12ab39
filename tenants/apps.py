from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Tenants, their API keys, and what makes a repeated request safe."""

    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listens for sign-ins."""
        from tenants import sign_ins  # noqa: F401
