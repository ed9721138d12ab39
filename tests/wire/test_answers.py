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
from provisioning.wire.messages import Accepted, Rejected
from tests.wire import messages

WHOLE: dict[str, Callable[[object], bytes]] = {
    "json": lambda body: json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
    "cbor": cbor2.dumps,
}
READERS: dict[str, Callable[[bytes], dict[str, object]]] = {"json": json.loads, "cbor": cbor2.loads}
formats = pytest.mark.parametrize("format", sorted(CODECS))
optional_ids = st.none() | messages.ids
commands = st.tuples(
    messages.texts(45),
    messages.texts(30),
    st.dictionaries(messages.texts(10), messages.texts(60), max_size=3),
)
Command = tuple[str, str, dict[str, str]]
counts = st.integers(0, 300) | st.integers(0, 2**40)


def encoded(chosen: Codec, some: Sequence[Command]) -> list[bytes]:
    return [chosen.item(id, type, params) for id, type, params in some]


def body(id: str | None, status: str, some: Sequence[Command], pending: int) -> dict[str, object]:
    """The whole answer to a `get`, in the order of WIRE.md 2.2."""
    listed = [{"id": id, "type": type, "params": params} for id, type, params in some]
    return {**({} if id is None else {"id": id}), "status": status, "commands": listed, "pending": pending}


@formats
@given(optional_ids, messages.statuses, st.lists(commands, max_size=30), counts)
def test_joined_commands_are_the_encoding_of_the_whole(
    format: str, id: str | None, status: str, some: list[Command], pending: int
) -> None:
    chosen, whole = CODECS[format], body(id, status, some, pending)
    assert chosen.commands(id, status, encoded(chosen, some), pending) == WHOLE[format](whole)


@formats
@given(optional_ids, messages.statuses, st.lists(st.binary(min_size=1, max_size=5), max_size=300), counts)
def test_size_is_the_length_of_what_would_be_sent(
    format: str, id: str | None, status: str, items: list[bytes], pending: int
) -> None:
    chosen = CODECS[format]
    size = chosen.size(id, status, len(items), sum(map(len, items)), pending)
    assert size == len(chosen.commands(id, status, items, pending))


@formats
@pytest.mark.parametrize("count", [0, 20, 23, 24, 255, 256, 65_536])
def test_any_number_of_commands_is_joined_and_measured_right(format: str, count: int) -> None:
    chosen, some = CODECS[format], [("c", "finished", dict[str, str]())] * count
    sent = chosen.commands("q", "READY", encoded(chosen, some), count)
    assert sent == WHOLE[format](body("q", "READY", some, count))
    assert chosen.size("q", "READY", count, len(chosen.item(*some[0])) * count if some else 0, count) == len(
        sent
    )


@formats
@given(
    optional_ids,
    messages.statuses,
    st.lists(st.integers(10, 400), max_size=22),
    st.integers(0, 300),
    st.integers(0, 6000),
    st.integers(1, 20),
)
def test_fit_is_the_most_that_brute_force_finds(
    format: str, id: str | None, status: str, sizes: list[int], more: int, rx_max_size: int, limit: int
) -> None:
    chosen, items, total = CODECS[format], [bytes(size) for size in sizes], len(sizes) + more
    fitting = [
        count
        for count in range(min(limit, len(items)) + 1)
        if len(chosen.commands(id, status, items[:count], total - count)) <= rx_max_size
    ]
    assert fit(chosen, id, status, items, total, rx_max_size, limit) == max(fitting, default=0)


@formats
def test_no_answer_is_over_64_kib_whatever_the_device_can_take(format: str) -> None:
    chosen, items = CODECS[format], [bytes(16 * 1024)] * 5
    assert fit(chosen, "q", "PROVISIONING", items, 5, limits.SIZE_MAX, 20) == 3


@formats
def test_an_integer_of_the_request_stays_one(format: str) -> None:
    assert READERS[format](CODECS[format].item("c", "t", {"secTag": 7}))["params"] == {"secTag": 7}


@formats
@pytest.mark.parametrize("value", [None, True, 1.5, b"x", {"a": "b"}, ["x"]], ids=repr)
def test_a_param_that_is_no_text_is_the_callers_mistake(format: str, value: object) -> None:
    with pytest.raises(TypeError, match="text or integers"):
        CODECS[format].item("c", "t", {"secTag": value})


@formats
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
    sent = CODECS["json"].item("c", "config", {"name": "Ünï\n"})
    assert sent == '{"id":"c","type":"config","params":{"name":"Ünï\\n"}}'.encode()


def test_an_unknown_format_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(UnsupportedFormat, match=r"cbor, json") as refused:
        codec.named("xml")
    assert refused.value.code == "UNSUPPORTED_FORMAT"
    assert refused.value.id is None


def test_a_refusal_goes_out_in_the_devices_format_or_in_json() -> None:
    assert codec.answering("cbor") is CODECS["cbor"]
    assert codec.answering("json") is CODECS["json"]
    assert codec.answering("xml") is CODECS["json"]
