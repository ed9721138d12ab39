"""No bytes that a device can send do more than get it refused (WIRE.md 4.2)."""

import time
import tracemalloc
from collections.abc import Callable

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioning.wire import limits
from provisioning.wire.codec import CODECS
from provisioning.wire.errors import Malformed, TooLarge
from tests.wire import messages
from tests.wire.messages import ENCODERS, Body

DECODERS: dict[str, Callable[[bytes], object]] = {
    f"{verb} in {format}": getattr(codec, f"decode_{verb}")
    for format, codec in CODECS.items()
    for verb in ("get", "results")
}
decoders = pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS.keys())


def refusal_of(decode: Callable[[bytes], object], payload: bytes) -> Malformed | None:
    """What a payload is refused with; fails by any other exception."""
    try:
        decode(payload)
    except Malformed as error:
        return error
    return None


def refused_or_read(decode: Callable[[bytes], object], payload: bytes) -> None:
    """Fails by any exception but Malformed, and by a Malformed that is not fit to be sent."""
    error = refusal_of(decode, payload)
    if error is None:
        return
    assert error.message.isascii()
    assert error.message.endswith(".")
    assert len(error.message) < 200
    if error.id is not None:
        assert len(error.id) <= limits.ID
        assert b"\0" not in error.id.encode()


@decoders
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(decode: Callable[[bytes], object], payload: bytes) -> None:
    refused_or_read(decode, payload)


# Heads of every major type and length, so that random bytes are CBOR more often than not.
HEADS = st.builds(lambda major, info: bytes((major << 5 | info,)), st.integers(0, 7), st.integers(0, 31))
CBOR = st.lists(HEADS | st.sampled_from((b"\x61a", b"\xff", b"\x62id", b"\x00")), max_size=40).map(b"".join)


@pytest.mark.parametrize(
    "decode", [CODECS["cbor"].decode_get, CODECS["cbor"].decode_results, CODECS["nrf"].decode_results]
)
@given(CBOR)
@example(b"\xa1\x62id\x7f\x61\xc3\x61\xa9\xff")
def test_random_items_of_cbor_are_read_or_refused(decode: Callable[[bytes], object], payload: bytes) -> None:
    refused_or_read(decode, payload)


TOKENS = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"id"',
    '"results"',
    "1",
    "-0",
    "1e999",
    "NaN",
    "\\u0000",
    "\\ud800",
)
JSON = st.lists(st.sampled_from(TOKENS) | st.text(max_size=2), max_size=30).map("".join)


@pytest.mark.parametrize("decode", [CODECS["json"].decode_get, CODECS["json"].decode_results])
@given(JSON)
def test_random_tokens_of_json_are_read_or_refused(decode: Callable[[bytes], object], text: str) -> None:
    refused_or_read(decode, text.encode("utf-8", "surrogatepass"))


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 2), st.binary(max_size=3)), min_size=1, max_size=4
)


def mutated(payload: bytes, mutations: list[tuple[int, int, bytes]]) -> bytes:
    for place, cut, put in mutations:
        at = place % (len(payload) + 1)
        payload = payload[:at] + put + payload[at + cut :]
    return payload


@pytest.mark.parametrize("format", sorted(set(CODECS) - {"nrf"}))
@given(messages.gets(), messages.reports(), MUTATIONS)
def test_good_messages_gone_bad_are_read_or_refused(
    format: str,
    get: tuple[Body, object],
    results: tuple[Body, object],
    mutations: list[tuple[int, int, bytes]],
) -> None:
    encode, codec = ENCODERS[format], CODECS[format]
    refused_or_read(codec.decode_get, mutated(encode(get[0]), mutations))
    refused_or_read(codec.decode_results, mutated(encode(results[0]), mutations))


@given(messages.modem_reports(), MUTATIONS)
def test_good_responses_gone_bad_are_read_or_refused(
    said: tuple[list[object], object], mutations: list[tuple[int, int, bytes]]
) -> None:
    refused_or_read(CODECS["nrf"].decode_results, mutated(cbor2.dumps(said[0]), mutations))


# Over anything, but lists that begin like a response, so that more is looked at than the first value.
RESPONSES = st.lists(
    messages.wild
    | st.builds(
        lambda start, rest: [*start, *rest],
        st.tuples(messages.texts(50), st.sampled_from((99, 100, 101, 102, 103, True, 99.0, 2**63))),
        st.lists(messages.wild | st.integers(-5, 2**33), max_size=3),
    ),
    max_size=4,
)


@given(RESPONSES)
def test_random_responses_are_read_or_refused(body: list[object]) -> None:
    try:
        payload = cbor2.dumps(body)
    except UnicodeEncodeError:
        return
    refused_or_read(CODECS["nrf"].decode_results, payload)


@decoders
@given(st.integers(limits.MESSAGE + 1, limits.MESSAGE * 2), st.sampled_from((b"[", b"\x9f", b" ", b"0")))
def test_over_64_kib_is_refused_unread(decode: Callable[[bytes], object], length: int, byte: bytes) -> None:
    with pytest.raises(TooLarge) as refused:
        decode(byte * length)
    assert refused.value.id is None


def filled(start: bytes, unit: bytes, end: bytes = b"") -> bytes:
    """64 KiB, or nearly, of one thing."""
    return start + unit * ((limits.MESSAGE - len(start) - len(end)) // len(unit)) + end


COLLIDING = b"".join(b"\x1b" + (number * (2**61 - 1)).to_bytes(8, "big") + b"\x00" for number in range(8))
HOSTILE = {
    "open lists, json": filled(b"", b"["),
    "open maps, json": filled(b"", b'{"a":'),
    "empty maps, json": filled(b"[", b"{},", b"{}]"),
    "empty lists, json": filled(b'{"results":[', b"[],", b"[]]}"),
    "one integer, json": filled(b"", b"9"),
    "one float, json": filled(b"0.", b"9"),
    "one exponent, json": filled(b"1e", b"9"),
    "many floats, json": filled(b"[", b"1e308,", b"1]"),
    "escapes, json": filled(b'"', b"\\u0041", b'"'),
    "half surrogates, json": filled(b'{"id":"', b"\\ud800", b'"}'),
    "a text without end, json": filled(b'"', b"a"),
    "backslashes, json": filled(b'"', b"\\"),
    "white space, json": filled(b"", b" "),
    "wide characters, json": filled('{"x":"😀'.encode(), b"a", b'"}'),
    "open lists, cbor": filled(b"", b"\x81"),
    "open indefinite lists, cbor": filled(b"", b"\x9f"),
    "open indefinite maps, cbor": filled(b"", b"\xbf\x61a"),
    "empty maps, cbor": filled(b"\x9f", b"\xa0", b"\xff"),
    "empty indefinite maps, cbor": filled(b"\x9f", b"\xbf\xff", b"\xff"),
    "small integers, cbor": filled(b"\x9f", b"\x00", b"\xff"),
    "chunks of no text, cbor": filled(b"\x7f", b"\x60", b"\xff"),
    "chunks of no bytes, cbor": filled(b"\x5f", b"\x40", b"\xff"),
    "tags within tags, cbor": filled(b"", b"\xc1", b"\x00"),
    "shared values, cbor": filled(b"\x9f", b"\xd8\x1c\x80", b"\xff"),
    "keys of one hash, cbor": filled(b"\xbf", COLLIDING, b"\xff"),
    "a list of 2^60, cbor": b"\x9b" + (2**60).to_bytes(8, "big") + bytes(60_000),
    "a map of 2^60, cbor": b"\xbb" + (2**60).to_bytes(8, "big") + bytes(60_000),
    "a text of 2^60, cbor": b"\x7b" + (2**60).to_bytes(8, "big") + bytes(60_000),
    "lists of 2^31 within lists, cbor": filled(b"", b"\x9a\x7f\xff\xff\xff"),
    "wide characters, cbor": b"\xa1\x61x\x79\xff\xf0" + "😀".encode() + b"a" * (0xFFF0 - 4),
}
HOSTILE |= {kind.replace(", cbor", ", nrf"): payload for kind, payload in HOSTILE.items() if ", cbor" in kind}
HOSTILE |= {
    "empty responses, nrf": filled(b"\x9f", b"\x80", b"\xff"),
    "400 responses, nrf": cbor2.dumps([["x" * 64, 99, 513, "e" * 80]] * 400),
    "one long reply, nrf": b"\x81\x83\x61x\x18\x64\x79\xff\xf0" + b"a" * 0xFFF0,
    "replies that never end, nrf": b"\x81\x83\x61x\x18\x64\x79\xff\xf0" + b"%KEYGEN:" * (0xFFF0 // 8),
    "a reply of white space, nrf": b"\x81\x83\x61x\x18\x64\x79\xff\xf0" + b"%KEYGEN:".ljust(0xFFF0),
}
hostile = pytest.mark.parametrize(("kind", "payload"), HOSTILE.items(), ids=HOSTILE.keys())


@hostile
def test_64_kib_of_malice_take_bounded_memory(kind: str, payload: bytes) -> None:
    assert len(payload) <= limits.MESSAGE
    tracemalloc.start()
    try:
        refused_or_read(DECODERS[f"results in {kind.rpartition(', ')[2]}"], payload)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@hostile
def test_64_kib_of_malice_take_bounded_time(kind: str, payload: bytes) -> None:
    start = time.process_time()
    refused_or_read(DECODERS[f"results in {kind.rpartition(', ')[2]}"], payload)
    # Ordinary is 0.02 s at most; what is quadratic takes seconds.
    assert time.process_time() - start < 0.5


REASONS = {
    "cbor a26269646171617800ff": "has bytes after its first CBOR item",
    "cbor a16178c100": "has a CBOR tag in it",
    "cbor a161784161": "has a byte string or a simple value in it",
    "cbor a16178f97e00": "is not finite",
    "cbor a16178": "ends within a CBOR item",
    "cbor a2617800617800": "no key twice",
    "cbor a10100": "text keys",
    "json ff": "is not UTF-8 at byte 0",
    "json 7b": "is not one JSON value at character 1",
    "json 7b2261223a312c2261223a317d": "has the same key twice",
    "json 7b2261223a4e614e7d": "is not finite",
    "json 7b2261223a225c7530303030227d": "has a NUL or half a surrogate pair in it",
    "json 5b5b5b5b5b5b5b5b5b5d5d5d5d5d5d5d5d5d": "is nested deeper than 8 levels",
}


@pytest.mark.parametrize(("sent", "reason"), REASONS.items())
def test_a_refusal_says_what_is_wrong(sent: str, reason: str) -> None:
    format, _, payload = sent.partition(" ")
    with pytest.raises(Malformed, match=reason):
        CODECS[format].decode_get(bytes.fromhex(payload))


MODEM_REASONS: list[tuple[object, str]] = [
    ([], r"^The body has no response in it"),
    ({}, r"^The body must be a list of at most 400 entries\.$"),
    ([["a", 101], []], r"^responses\[1\]: The response must begin with an id and a number\.$"),
    ([["a", 101], ["b", 7]], r"^responses\[1\]: The second of a response must be 99, 100, 101 or 102\.$"),
    ([["a", 99, 513]], r"^responses\[0\]: A response 99 must have 4 values\.$"),
    ([["a", 99, -1, ""]], r"^responses\[0\]: The error code must be an integer from 0 to 2147483647\.$"),
    ([[1, 101]], r"^responses\[0\]: The id must be text of at most 64 characters\.$"),
]


@pytest.mark.parametrize(("body", "reason"), MODEM_REASONS, ids=lambda value: str(value)[:30])
def test_a_refused_response_is_named_with_what_is_wrong(body: object, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        CODECS["nrf"].decode_results(cbor2.dumps(body))


def test_the_entry_that_is_wrong_is_named() -> None:
    with pytest.raises(Malformed, match=r"^results\[1\]: ok must be true or false\.$"):
        CODECS["json"].decode_results(b'{"results":[{"id":"a","ok":true},{"id":"b","ok":1}]}')
