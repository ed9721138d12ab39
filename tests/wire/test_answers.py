"""Answers go out byte for byte as one encoding of the whole, and within what a device can take."""

import io
import json
from collections.abc import Callable, Sequence

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.wire import codec, limits
from provisioning.wire.codec import CODECS, Codec
from provisioning.wire.errors import UnsupportedFormat
from provisioning.wire.fit import fit
from provisioning.wire.messages import Accepted, Get, Item, Rejected
from tests.wire import messages

WHOLE: dict[str, Callable[[object], bytes]] = {
    "json": lambda body: json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
    "cbor": cbor2.dumps,
}
READERS: dict[str, Callable[[bytes], dict[str, object]]] = {
    "json": json.loads,
    "cbor": cbor2.loads,
    "nrf": cbor2.loads,
}
formats = pytest.mark.parametrize("format", sorted(CODECS))
maps = pytest.mark.parametrize("format", sorted(WHOLE))
optional_ids = st.none() | messages.ids
commands = st.tuples(
    messages.texts(45),
    messages.texts(30),
    st.dictionaries(messages.texts(10), messages.texts(60), max_size=3),
)
Command = tuple[str, str, dict[str, str]]
counts = st.integers(0, 300) | st.integers(0, 2**40)


def encoded(chosen: Codec, some: Sequence[Command]) -> list[Item]:
    return [chosen.item(id, type, params) for id, type, params in some]


def body(id: str | None, status: str, some: Sequence[Command], pending: int) -> dict[str, object]:
    """The whole answer to a `get`, in the order of WIRE.md 2.2."""
    listed = [{"id": id, "type": type, "params": params} for id, type, params in some]
    return {**({} if id is None else {"id": id}), "status": status, "commands": listed, "pending": pending}


@maps
@given(optional_ids, messages.statuses, st.lists(commands, max_size=30), counts)
def test_joined_commands_are_the_encoding_of_the_whole(
    format: str, id: str | None, status: str, some: list[Command], pending: int
) -> None:
    chosen, whole = CODECS[format], body(id, status, some, pending)
    assert chosen.commands(id, status, encoded(chosen, some), pending) == WHOLE[format](whole)


def items_of(format: str, most: int) -> st.SearchStrategy[list[Item]]:
    """Items of any size and cost; only `nrf` sends one command in several steps."""
    one = st.builds(
        Item,
        st.integers(10, 400).map(bytes),
        steps=st.integers(1, 11) if format == "nrf" else st.just(1),
        reply=st.integers(0, 900),
        alone=st.sampled_from((False, False, False, True)),
    )
    return st.lists(one, max_size=most)


@formats
@given(st.data(), optional_ids, messages.statuses, counts)
def test_size_is_the_length_of_what_would_be_sent(
    format: str, data: st.DataObject, id: str | None, status: str, pending: int
) -> None:
    chosen, items = CODECS[format], data.draw(items_of(format, 300))
    size, steps = sum(len(item.data) for item in items), sum(item.steps for item in items)
    assert chosen.size(id, status, steps, size, pending) == len(chosen.commands(id, status, items, pending))


@maps
@pytest.mark.parametrize("count", [0, 20, 23, 24, 255, 256, 65_536])
def test_any_number_of_commands_is_joined_and_measured_right(format: str, count: int) -> None:
    chosen, some = CODECS[format], [("c", "finished", dict[str, str]())] * count
    sent = chosen.commands("q", "READY", encoded(chosen, some), count)
    assert sent == WHOLE[format](body("q", "READY", some, count))
    size = sum(len(item.data) for item in encoded(chosen, some))
    assert chosen.size("q", "READY", count, size, count) == len(sent)


rooms = st.builds(
    Get,
    id=optional_ids,
    limit=st.integers(1, 20),
    rx_max_size=st.integers(1, 6000),
    tx_max_size=st.none() | st.integers(0, 6000),
)


def taken(chosen: Codec, get: Get, status: str, items: Sequence[Item], pending: int) -> bool:
    """Whether a device can take exactly these items in one answer."""
    if len(chosen.commands(get.id, status, items, pending)) > get.rx_max_size:
        return False
    if sum(item.steps for item in items) > get.limit:
        return False
    if len(items) < 2:
        return True
    reply = sum(item.reply for item in items)
    return not any(item.alone for item in items) and (get.tx_max_size is None or reply <= get.tx_max_size)


@formats
@given(st.data(), rooms, messages.statuses, st.integers(0, 300))
def test_fit_is_the_most_that_brute_force_finds(
    format: str, data: st.DataObject, get: Get, status: str, more: int
) -> None:
    chosen, items = CODECS[format], data.draw(items_of(format, 22))
    total = len(items) + more
    fitting = [
        count for count in range(len(items) + 1) if taken(chosen, get, status, items[:count], total - count)
    ]
    assert fit(chosen, get, status, items, total) == max(fitting, default=0)


@formats
def test_no_answer_is_over_64_kib_whatever_the_device_can_take(format: str) -> None:
    items, get = [Item(bytes(16 * 1024))] * 5, Get(id="q", rx_max_size=limits.SIZE_MAX, limit=20)
    assert fit(CODECS[format], get, "PROVISIONING", items, 5) == 3


@formats
def test_what_must_go_alone_waits_for_what_is_before_it_and_lets_nothing_follow(format: str) -> None:
    one, alone = Item(b"1"), Item(b"2", alone=True)
    for items, count in (([one, one, alone], 2), ([alone, one], 1), ([alone], 1)):
        assert fit(CODECS[format], Get(), "PROVISIONING", items, len(items)) == count


@formats
def test_the_first_goes_whatever_its_results_take_and_the_next_only_with_room(format: str) -> None:
    items = [Item(b"1", reply=700)] * 3
    for room, count in ((0, 1), (699, 1), (1399, 1), (1400, 2), (2100, 3), (None, 3)):
        assert fit(CODECS[format], Get(tx_max_size=room), "PROVISIONING", items, 3) == count


@maps
def test_an_integer_of_the_request_stays_one(format: str) -> None:
    assert READERS[format](CODECS[format].item("c", "t", {"secTag": 7}).data)["params"] == {"secTag": 7}


@formats
@pytest.mark.parametrize("value", [None, True, 1.5, b"x", {"a": "b"}, ["x"]], ids=repr)
def test_a_param_that_is_no_text_is_the_callers_mistake(format: str, value: object) -> None:
    with pytest.raises(TypeError, match="text or integers"):
        CODECS[format].item("c", "clientPrivateKeyGeneration", {"secTag": value})


@formats
def test_what_a_command_carries_is_not_in_its_repr(format: str) -> None:
    params = {"secTag": 7, "identity": "pump", "secret": "0123456789abcdef"}
    assert "0123456789abcdef" not in repr(CODECS[format].item("c", "preSharedKey", params))


@maps
@given(optional_ids, messages.statuses, st.dictionaries(messages.texts(45), messages.texts(9)), counts)
def test_accepted_is_what_a_device_reads(
    format: str, id: str | None, status: str, words: dict[str, str], pending: int
) -> None:
    sent = CODECS[format].accepted(Accepted(id=id, status=status, results=words, pending=pending))
    read = READERS[format](sent)
    assert read == {
        **({} if id is None else {"id": id}),
        "status": status,
        "results": words,
        "pending": pending,
    }
    assert str(read["results"]) == str(words)


@formats
@pytest.mark.parametrize(("wait", "sent"), [(0.0, 0), (0.001, 1), (1.0, 1), (1.2, 2), (60, 60)])
def test_a_wait_goes_out_in_whole_seconds_rounded_up(format: str, wait: float, sent: int) -> None:
    payload = CODECS[format].rejected(Rejected(code="THROTTLED", message="m", retry_after=wait))
    read = READERS[format](payload)
    assert read == {"code": "THROTTLED", "message": "m", "retryAfter": sent}
    assert type(read["retryAfter"]) is int


@given(optional_ids, messages.statuses, st.lists(commands, max_size=30), counts)
def test_cbor_out_is_definite_and_shortest(
    id: str | None, status: str, some: list[Command], pending: int
) -> None:
    sent = CODECS["cbor"].commands(id, status, encoded(CODECS["cbor"], some), pending)
    stream = io.BytesIO(sent)
    read = cbor2.CBORDecoder(stream, allow_indefinite=False).decode()
    assert stream.tell() == len(sent)
    assert cbor2.dumps(read) == sent


def test_json_out_is_not_escaped_to_ascii_and_has_no_white_space() -> None:
    item = CODECS["json"].item("c", "config", {"name": "Ünï\n"})
    assert item.data == '{"id":"c","type":"config","params":{"name":"Ünï\\n"}}'.encode()


def test_an_unknown_format_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(UnsupportedFormat, match=r"cbor, json, nrf") as refused:
        codec.named("xml")
    assert refused.value.code == "UNSUPPORTED_FORMAT"
    assert refused.value.id is None


def test_a_refusal_goes_out_in_the_devices_format_or_in_json() -> None:
    assert codec.answering("cbor") is CODECS["cbor"]
    assert codec.answering("json") is CODECS["json"]
    assert codec.answering("nrf") is CODECS["nrf"]
    assert codec.answering("xml") is CODECS["json"]
