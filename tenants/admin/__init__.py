"""The admin's pages of tenants, their API keys and the operators themselves."""

from tenants.admin import keys, operators, tenants

__all__ = ["keys", "operators", "tenants"]
