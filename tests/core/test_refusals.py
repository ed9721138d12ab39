"""A refusal has a code of the table, the HTTP status that goes with it, and says which field is wrong."""

from __future__ import annotations

import re

import pytest

from tenants.errors import CODES, Refusal, invalid


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_name_an_error_status_and_a_title(code: str) -> None:
    assert re.fullmatch("[A-Z][A-Z_]+", code)
    assert 400 <= Refusal(code, "no").http <= 500
    assert CODES[code].title


def test_a_refusal_says_its_code_and_its_message() -> None:
    assert str(Refusal("QUEUE_FULL", "no room")) == "QUEUE_FULL: no room"


def test_a_wrong_field_is_named_in_the_message_and_in_the_errors() -> None:
    refused = invalid("tags", "Must be a list.")
    assert (refused.http, refused.message) == (400, "tags: Must be a list.")
    assert refused.errors == {"tags": ["Must be a list."]}
