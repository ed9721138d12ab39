"""A link changes nothing: a question page asks, its button posts. A secret is shown by one page, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_variables

from tenants.admin.page import Page


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the consequences in `text`, the affected things in `lines`, the word on the button.

    `form` asks for more where more is needed; `hidden` comes back with the answer; `action` is where it is
    posted, here if empty; `back` is where No leads.
    """

    title: str
    text: str
    button: str
    back: str
    danger: bool = False
    lines: Sequence[str] = ()
    form: forms.Form | None = None
    hidden: Mapping[str, str] = field(default_factory=dict)
    action: str = ""


def ask(
    request: HttpRequest, page: Page[Any], question: Question, about: Model | None = None
) -> TemplateResponse:
    """The question as a page; its button posts."""
    return _render(request, page, "tenants/question.html", about, title=question.title, question=question)


@sensitive_variables("secret")
def show_once(
    request: HttpRequest,
    page: Page[Any],
    *,
    title: str,
    text: str,
    secret: str,
    back: str,
    about: Model | None = None,
) -> TemplateResponse:
    """A secret, in the answer to the post that made it: no message, cookie, session or log ever holds it."""
    return _render(
        request, page, "tenants/shown_once.html", about, title=title, text=text, secret=secret, back=back
    )


@sensitive_variables("more", "context")
def _render(
    request: HttpRequest, page: Page[Any], template: str, about: Model | None, **more: object
) -> TemplateResponse:
    context = {**page.admin_site.each_context(request), "opts": page.opts, "original": about, **more}
    return TemplateResponse(request, template, context)
