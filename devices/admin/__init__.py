"""The admin's pages of devices. `DevicePage` is registered by `commands.admin`, which adds the commands."""

from devices.admin import identity_keys, outbox, overview, webhooks
from devices.admin.page import DevicePage

__all__ = ["DevicePage", "identity_keys", "outbox", "overview", "webhooks"]
