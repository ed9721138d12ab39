"""Addresses that go wrong, for the answers that no honest address gives."""

from typing import ClassVar

from django.urls import path
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.roles import Role
from tenants.views import Endpoint


class Broken(Endpoint):
    roles: ClassVar = {"GET": Role.VIEWER}

    def get(self, request: Request) -> Response:
        raise ZeroDivisionError("sesame in the kitchen")


class Busy(Endpoint):
    roles: ClassVar = {"GET": Role.VIEWER}

    def get(self, request: Request) -> Response:
        raise Throttled(wait=7)


class Undeclared(Endpoint):
    def get(self, request: Request) -> Response:
        raise AssertionError("nobody may come here")


urlpatterns = [
    path("v1/broken", Broken.as_view()),
    path("v1/busy", Busy.as_view()),
    path("v1/undeclared", Undeclared.as_view()),
]
handler400 = "tenants.answers.bad_request"
handler500 = "tenants.answers.server_error"
