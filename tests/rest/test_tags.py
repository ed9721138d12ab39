"""Tags that their tenant describes: said once or often, and counted."""

from typing import Any

import pytest

from commands.models import ProvisioningTag
from tests.rest.cast import Cast

TAGS = "/v1/provisioning/tags"


def listed(cast: Cast) -> list[dict[str, Any]]:
    return list(cast.viewer.get(TAGS).body["items"])


def test_a_tag_is_described_and_listed_with_how_many_have_it(cast: Cast) -> None:
    made = cast.editor.post(TAGS, {"tag": "pumps", "description": "every pump"})
    assert (made.status, made.body) == (201, {"tag": "pumps", "description": "every pump", "devices": 0})
    for tags in (["pumps"], ["pumps", "north"], ["north"]):
        cast.editor.device(tags=tags)
    cast.stranger.device(tags=["pumps"])
    assert cast.viewer.get(TAGS).body == {"items": [{**made.body, "devices": 2}], "pageNextToken": None}


def test_saying_it_again_changes_nothing_but_a_description_that_is_given(cast: Cast) -> None:
    cast.editor.post(TAGS, {"tag": "pumps", "description": "every pump"})
    for said, description in (
        ({"tag": "pumps"}, "every pump"),
        ({"tag": " pumps ", "description": "all"}, "all"),
        ({"tag": "pumps", "description": ""}, ""),
    ):
        again = cast.editor.post(TAGS, said)
        assert (again.status, again.body["description"]) == (200, description)
    assert len(listed(cast)) == 1


def test_tags_are_in_order_and_in_pages(cast: Cast) -> None:
    for tag in ("c", "a", "location=Oslo", "b"):
        cast.editor.post(TAGS, {"tag": tag})
    found = [one["tag"] for items in cast.viewer.pages(f"{TAGS}?pageLimit=2") for one in items]
    assert found == ["a", "b", "c", "location=Oslo"]


def test_each_tenant_has_its_own(cast: Cast) -> None:
    cast.editor.post(TAGS, {"tag": "pumps", "description": "ours"})
    theirs = cast.stranger.post(TAGS, {"tag": "pumps", "description": "theirs"})
    assert theirs.status == 201
    assert [one["description"] for one in listed(cast)] == ["ours"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "tag"),
        ({"tag": ""}, "tag"),
        ({"tag": "  "}, "tag"),
        ({"tag": None}, "tag"),
        ({"tag": 7}, "tag"),
        ({"tag": ["a"]}, "tag"),
        ({"tag": "a,b"}, "tag"),
        ({"tag": "a\nb"}, "tag"),
        ({"tag": "x" * 101}, "tag"),
        ({"tag": "a", "description": "x" * 201}, "description"),
        ({"tag": "a", "description": None}, "description"),
        ({"tag": "a", "devices": 3}, "devices"),
    ],
)
def test_what_is_no_tag_is_refused(cast: Cast, said: dict[str, Any], field: str) -> None:
    answer = cast.editor.post(TAGS, said)
    assert (answer.status, answer.fields) == (400, [field])
    assert listed(cast) == []


def test_a_thousand_are_the_most(cast: Cast) -> None:
    made = cast.editor.post(TAGS, {"tag": "first"}).body
    first = ProvisioningTag.objects.get()
    ProvisioningTag.objects.bulk_create(
        ProvisioningTag(tenant=first.tenant, tag=f"tag {number}", created_at=first.created_at)
        for number in range(999)
    )
    answer = cast.editor.post(TAGS, {"tag": "one more"})
    assert (answer.status, answer.body["code"]) == (409, "TOO_MANY")
    assert cast.editor.post(TAGS, {"tag": "first"}).body == made
