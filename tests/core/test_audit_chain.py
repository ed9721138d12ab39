"""The audit log's chain: nothing in an entry can change, and no entry can move, without every later digest changing."""

import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants import chain
from tenants.chain import Head, Row

ROW = Row(
    7,
    datetime(2026, 5, 17, 12, 0, 0, 5, UTC),
    UUID(int=1),
    "key",
    "k1",
    "ci",
    "192.0.2.1",
    "device.blocked",
    "device",
    "d1",
    {"b": [1, None], "a": "ü"},
)
OTHER: dict[str, Any] = {
    "id": 8,
    "at": ROW.at + timedelta(microseconds=1),
    "tenant_id": None,
    "data": {"b": [1, None], "a": "u"},
}

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda v: st.lists(v, max_size=3))
rows = st.builds(
    Row,
    id=st.integers(1, 99),
    at=st.datetimes(timezones=st.just(UTC)),
    tenant_id=st.none() | st.uuids(),
    actor_kind=texts,
    actor_id=texts,
    actor=texts,
    address=texts,
    action=texts,
    object_kind=texts,
    object_id=texts,
    data=st.dictionaries(texts, values, max_size=3),
)


def chained(entries: list[Row]) -> list[Head]:
    heads, end = [], Head()
    for row in entries:
        end = chain.follow(end, row)
        heads.append(end)
    return heads


def test_a_digest_can_be_made_anew_by_hand() -> None:
    said = (
        '{"action":"device.blocked","actor":"ci","actorId":"k1","actorKind":"key","address":"192.0.2.1",'
        '"at":"2026-05-17T12:00:00.000005+00:00","data":{"a":"ü","b":[1,null]},"id":7,"objectId":"d1",'
        '"objectKind":"device","place":4,"tenant":"00000000-0000-0000-0000-000000000001"}'
    )
    before = "ab" * 32
    digest = hashlib.sha256((before + said).encode()).hexdigest()
    assert chain.follow(Head(3, before), ROW) == Head(4, digest)


@pytest.mark.parametrize("name", [field.name for field in fields(Row)])
def test_every_field_counts(name: str) -> None:
    changed = replace(ROW, **{name: OTHER.get(name, "another")})
    assert chain.follow(Head(), changed).digest != chain.follow(Head(), ROW).digest


def test_neither_the_time_zone_nor_the_order_of_data_counts() -> None:
    east = replace(ROW, at=ROW.at.astimezone(timezone(timedelta(hours=2))), data={"a": "ü", "b": [1, None]})
    assert chain.follow(Head(), east) == chain.follow(Head(), ROW)


@given(st.lists(rows, min_size=2, max_size=6), st.data())
def test_who_changes_takes_out_or_moves_an_entry_changes_the_head(
    entries: list[Row], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    head = chained(entries)[-1]
    assert head.place == len(entries)
    gone = entries[:place] + entries[place + 1 :]
    assert chained(gone)[-1] != head
    altered = [
        *entries[:place],
        replace(entries[place], actor=entries[place].actor + "x"),
        *entries[place + 1 :],
    ]
    assert chained(altered)[-1] != head
    turned = entries[::-1]
    assert (chained(turned)[-1] == head) == (turned == entries)


@given(rows)
def test_a_head_is_read_as_it_is_written(row: Row) -> None:
    head = chain.follow(Head(), row)
    assert chain.read(f" {head}\n") == head


@pytest.mark.parametrize(
    "text", ["", "1", "1:", "0:" + "a" * 64, "-1:" + "a" * 64, "1:" + "A" * 64, "1:" + "a" * 63]
)
def test_what_is_no_head_is_none(text: str) -> None:
    assert chain.read(text) is None
