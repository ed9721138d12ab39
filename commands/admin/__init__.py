"""The admin's pages of devices with their ordered commands, the repairs that operators make, and rules."""

from commands.admin import page, rules

__all__ = ["page", "rules"]
