"""The admin's pages of devices with their ordered commands, and the repairs that operators make."""

from commands.admin import page

__all__ = ["page"]
