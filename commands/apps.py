from django.apps import AppConfig


class CommandsConfig(AppConfig):
    """Command types, the two tables of rules, and the lists of commands."""

    name = "commands"
    default_auto_field = "django.db.models.BigAutoField"
