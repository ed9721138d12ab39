"""What the OpenAPI document says of every operation alike: role, query, refusals, how to sign in."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from tenants import auth, idempotency
from tenants.serializers import Problem

IDEMPOTENCY_KEY = OpenApiParameter(
    idempotency.HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 200 visible ASCII characters, such as a random UUID. The same key with the same body "
    "makes the thing once within 24 hours; a repetition shows it again, without its secret.",
)


class Schema(AutoSchema):
    """Reads the role and the query of a method from its view."""

    def get_description(self) -> str:  # type: ignore[override]  # the library itself has it so
        said = super().get_description() or ""
        role = auth.needed(self.view, self.method)
        return f"{said}\n\nNeeds the role `{role.value}`.".strip() if role is not None else said

    def get_summary(self) -> str:
        return re.split("[.:;]", super().get_description() or "")[0]

    def get_tags(self) -> list[str]:
        view: Any = self.view
        return [view.topic]

    def get_override_parameters(self) -> list[Any]:
        query = getattr(self.view, "queries", {}).get(self.method)
        creates = self.method in getattr(self.view, "creates", ())
        return [*([query] if query else []), *([IDEMPOTENCY_KEY] if creates else [])]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        for status, answer in bodies.items():
            answer["description"] = answer["description"] or HTTPStatus(int(status)).phrase
        refused = self.resolve_serializer(getattr(self.view, "refusal", Problem), "response")
        if refused is not None:
            bodies["default"] = {
                "description": "Refused; `message` says what to do.",
                "content": {"application/json": {"schema": refused.ref}},
            }
        return bodies


class APIKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How to sign in."""

    target_class = "tenants.auth.APIKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key of your tenant."}
