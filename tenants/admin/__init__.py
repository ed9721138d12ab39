"""The admin's pages of tenants, their API keys, members and the operators themselves."""

from tenants.admin import audit, keys, members, operators, tenants

__all__ = ["audit", "keys", "members", "operators", "tenants"]
