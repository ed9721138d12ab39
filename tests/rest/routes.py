"""Every address of REST, read from the URL configuration, so that none can be forgotten."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from config.urls import ALIAS
from tenants.ids import IdConverter
from tenants.roles import Platform, Role
from tenants.views import Endpoint
from tests.pki.make import p256
from tests.rest.cast import CONFIG
from tests.rest.material import public_pem


@dataclass(frozen=True)
class Route:
    """One address: `parameters` are the names of its ids, `roles` what each of its methods needs."""

    name: str
    template: str
    parameters: tuple[str, ...]
    view: type[Endpoint]

    @property
    def roles(self) -> Mapping[str, Role | Platform]:
        return self.view.roles

    @property
    def methods(self) -> list[str]:
        """The methods that the view answers to, whether or not it declares a role for them."""
        return [m.upper() for m in ("get", "post", "patch", "put", "delete") if hasattr(self.view, m)]

    def path(self, ids: Mapping[str, str]) -> str:
        return "/" + self.template.format(**ids)


def routes() -> list[Route]:
    """Each thing once: the other name of claimed devices is left out."""
    return list(_below(get_resolver().url_patterns, ""))


def _below(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for one in patterns:
        if isinstance(one, URLResolver):
            if str(one.pattern) == ALIAS:
                continue
            yield from _below(one.url_patterns, prefix + str(one.pattern))
            continue
        view = getattr(one.callback, "cls", None)
        if view is None or not issubclass(view, Endpoint):
            continue
        parameters = tuple(one.pattern.converters)
        assert all(isinstance(c, IdConverter) for c in one.pattern.converters.values())
        template = prefix + str(one.pattern)
        for name in parameters:
            template = template.replace(f"<id:{name}>", "{" + name + "}")
        yield Route(str(one.name), template, parameters, view)


BODIES: dict[tuple[str, str], Any] = {
    ("api-keys", "POST"): {"name": "ci", "role": "viewer"},
    ("members", "POST"): {"userName": "mia", "role": "viewer"},
    ("member", "PATCH"): {"role": "viewer"},
    ("devices", "POST"): {"name": "new"},
    ("device", "PATCH"): {"name": "renamed"},
    ("credentials", "POST"): {"kind": "password"},
    ("commands", "POST"): {"request": CONFIG},
    ("batch", "POST"): {"commands": [{"request": CONFIG}]},
    ("rules", "POST"): {"name": "all pumps", "tags": ["pumps"], "commands": [{"request": CONFIG}]},
    ("rule", "PATCH"): {"description": "for every pump"},
    ("tags", "POST"): {"tag": "pumps"},
    ("bulk-claims", "POST"): "no token,pumps\n",
    ("webhooks", "POST"): {"url": "https://hooks.example.com/keyseed", "events": ["*"]},
    ("webhook", "PATCH"): {"description": "for the dashboard"},
    ("onboarding", "POST"): "pump 17,,pumps,,no certificate\n",
    ("identity-keys", "POST"): {
        "deviceId": "50363154-3931-44f0-8022-121b6401627d",
        "publicKey": public_pem(p256()),
    },
}
"""A body that each method takes, None where it takes none."""

ALONE = {"identity-keys", "identity-key"}
"""Addresses that are shut where there is more than one tenant."""

PLATFORM = {"tenants", "one-tenant"}
"""Addresses of the platform key."""

CALLS = [(route, method) for route in routes() for method in route.methods if route.name not in PLATFORM]
NAMES = [f"{method} {route.template}" for route, method in CALLS]
