"""Makes a tenant with an owner's API key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants import bootstrap
from tenants.errors import Refusal


class Command(BaseCommand):
    help = "Makes a tenant, if there is none of that name, with an owner's API key, and prints the key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", default="default", help="the tenant's name (default: default)")
        parser.add_argument("--api-key", help="the key to use instead of a new one")

    def handle(self, *, tenant: str, api_key: str | None, **options: Any) -> None:
        try:
            _, key = bootstrap.tenant_with_owner(tenant, api_key)
        except (bootstrap.KeyElsewhere, Refusal) as error:
            raise CommandError(str(error)) from error
        if api_key is not None and len(api_key) < bootstrap.SHORT:
            self.stderr.write(
                f"The key is weak: use at least {bootstrap.SHORT} random characters in production."
            )
        self.stdout.write(key)
