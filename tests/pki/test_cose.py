"""A COSE_Sign1 message is read strictly, and verifies under one key and over one payload alone."""

import contextlib
import time
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import base64url, cose, keys
from pki.cose import Sign1
from pki.errors import Invalid
from tests.pki import make

KEY = make.p256()
PAYLOAD = b"This is what is signed."
MESSAGE = make.sign1(KEY, PAYLOAD)
ES256 = cbor2.dumps({1: -7})
SIGNATURE = bytes(range(64))

# The example "ECDSA signature with P-256" of the COSE working group.
EXAMPLE = Sign1(
    ES256,
    None,
    b"This is the content.",
    bytes.fromhex(
        "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    ),
)
EXAMPLE_KEY = ec.EllipticCurvePublicNumbers(
    0xBAC5B11CAD8F99F9C72B05CF4B9E26D244DC189F745228255A219A86D6A09EFF,
    0x20138BF82DC1B6D562BE0FA54AB7804A3A64B6D72CCFED6B6FB6ED28BBFC117E,
    ec.SECP256R1(),
).public_key()

# The attestation behind a real modem's signing request; its payload is not detached.
MODEM = base64url.read(
    "0oRDoQEmoQRBIVhL2dn3hQlQUDYxVDkxRPCAIhIbZAFifUERWCBwKj1W8FsvclMdZQgl4gBB4unZMYw0toU6uQZuXHLoDFAbhyLuHetYFWbiyxNZ"
    "snzSWEDUiTl7wwFt0hEsCiEQsxj-hCtpBk8Za8UXfdAycpx2faCOPJIrkfmiSS8-Y6_2tTAoAMN1BiWiTOimY1wZE3Ud"
)


def message(
    protected: Any = ES256, unprotected: Any = None, payload: Any = None, signature: Any = SIGNATURE
) -> bytes:
    parts = [protected, {} if unprotected is None else unprotected, payload, signature]
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def refusal(data: bytes) -> str:
    with pytest.raises(Invalid) as refused:
        cose.read(data)
    return refused.value.reason


def test_the_working_groups_example_verifies() -> None:
    assert EXAMPLE.payload
    assert cose.verifies(EXAMPLE, EXAMPLE_KEY, EXAMPLE.payload)
    assert not cose.verifies(EXAMPLE, EXAMPLE_KEY, EXAMPLE.payload + b" ")


def test_a_modems_message_is_read() -> None:
    found = cose.read(MODEM)
    assert found.key_id == -2
    assert found.protected == ES256
    assert isinstance(found.payload, bytes)
    assert found.payload[:5].hex() == "d9d9f78509"
    assert len(found.signature) == 64


def test_what_was_signed_verifies() -> None:
    found = cose.read(MESSAGE)
    assert (found.protected, found.key_id, found.payload) == (ES256, -2, None)
    assert cose.verifies(found, KEY.public_key(), PAYLOAD)


def test_another_key_or_payload_does_not_verify() -> None:
    found = cose.read(MESSAGE)
    assert not cose.verifies(found, make.p256().public_key(), PAYLOAD)
    assert not cose.verifies(found, KEY.public_key(), PAYLOAD[:-1])
    assert not cose.verifies(found, KEY.public_key(), b"")


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP521R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        make.rsa_key().public_key(),
    ],
)
def test_a_key_of_another_kind_does_not_verify(key: keys.PublicKey) -> None:
    assert not cose.verifies(cose.read(MESSAGE), key, PAYLOAD)


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, SIGNATURE])
def test_numbers_that_no_signature_has_do_not_verify(signature: bytes) -> None:
    assert not cose.verifies(cose.read(message(signature=signature)), KEY.public_key(), PAYLOAD)


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_changed_byte_verifies(place: int, change: int) -> None:
    changed = bytearray(MESSAGE)
    changed[place] ^= change
    try:
        found = cose.read(bytes(changed))
    except Invalid:
        return
    # The key id is not signed (RFC 9052 3).
    assert found.key_id != -2 or not cose.verifies(found, KEY.public_key(), PAYLOAD)


def test_the_key_id_is_told_where_there_is_one() -> None:
    assert cose.read(make.sign1(KEY, PAYLOAD, key_id=None)).key_id is None
    for key_id in (-2, -4, 0, 70_000, -(2**64)):
        assert cose.read(make.sign1(KEY, PAYLOAD, key_id=key_id)).key_id == key_id


def test_indefinite_lengths_are_read_as_the_same_message() -> None:
    half = SIGNATURE[:32]
    loose = b"".join(
        (
            b"\xd2\x9f",  # an array
            b"\x44\xbf\x01\x26\xff",  # a map in a byte string
            b"\xbf\x04\x41\x21\xff",  # a map
            b"\x5f\x42hi\x41!\xff",  # a byte string in pieces
            b"\x5f\x58\x20" + half + b"\x58\x20" + SIGNATURE[32:] + b"\xff",
            b"\xff",
        )
    )
    assert cose.read(loose) == Sign1(bytes.fromhex("bf0126ff"), -2, b"hi!", SIGNATURE)


def test_other_unprotected_headers_do_not_matter() -> None:
    assert cose.read(message(unprotected={"x": 1, 33: b"certificate", -70: [1]})).key_id is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xd2",
        message()[1:],
        b"\xd2" + message(),
        cbor2.dumps(cbor2.CBORTag(98, [ES256, {}, None, SIGNATURE])),
        cbor2.dumps(cbor2.CBORTag(18, [ES256, {}, None])),
        cbor2.dumps(cbor2.CBORTag(18, [ES256, {}, None, SIGNATURE, 1])),
        cbor2.dumps(cbor2.CBORTag(18, {})),
        message() + b"\0",
        message()[:-1],
        message(protected={1: -7}),
        message(unprotected=[]),
        message(payload="text"),
        message(payload=False),
        message(signature=None),
        message(unprotected={5: [[[[1]]]]}),
        message(unprotected={5: cbor2.CBORTag(0, "2026-01-01T00:00:00Z")}),
        message(payload=cbor2.CBORTag(24, b"payload")),
    ],
)
def test_what_is_not_cose_sign1_is_refused(data: bytes) -> None:
    assert "not a COSE_Sign1 message" in refusal(data)


@pytest.mark.parametrize("tag", [0, 1, 2, 3, 4, 18, 24, 25, 28, 29, 35, 37, 100, 256, 258, 260, 55799, 2**40])
def test_no_tag_is_taken_inside(tag: int) -> None:
    head = cbor2.dumps(cbor2.CBORTag(tag, b""))[:-1]
    for value in (b"\x40", b"\x00", b"\x60", b"\x80", b"\xa0"):
        inside = b"\xd2\x84\x43\xa1\x01\x26\xa1\x05" + head + value + b"\xf6\x58\x40" + SIGNATURE
        assert "not a COSE_Sign1 message" in refusal(inside)


def test_a_header_that_is_there_twice_is_refused() -> None:
    twice = b"\xd2\x84\x43\xa1\x01\x26\xa2\x04\x41\x21\x04\x41\x23\xf6\x58\x40" + SIGNATURE
    assert "not a COSE_Sign1 message" in refusal(twice)


@pytest.mark.parametrize(
    "protected",
    [b"", {}, {1: -8}, {1: -35}, {1: "ES256"}, {1: -7, 2: [1]}, {1: -7.0}, {True: -7}, {1: -7, 4: b"!"}],
)
def test_only_es256_stands_in_the_protected_headers(protected: object) -> None:
    encoded = protected if isinstance(protected, bytes) else cbor2.dumps(protected)
    assert "not signed with ES256" in refusal(message(protected=encoded))


@pytest.mark.parametrize("size", [0, 63, 65, 96, 132])
def test_a_signature_of_another_size_is_refused(size: int) -> None:
    assert "does not have 64 bytes" in refusal(message(signature=bytes(size)))


@pytest.mark.parametrize("unprotected", [{1: -7}, {2: [4]}, {4.0: b"!"}, {True: 1}, {b"4": b"!"}])
def test_headers_that_belong_elsewhere_are_refused(unprotected: object) -> None:
    assert "headers that do not belong there" in refusal(message(unprotected=unprotected))


@pytest.mark.parametrize(
    "key_id", [None, -2, "!", b"", b"11", b"\xf4", b"\xf9\xc0\x00", b"\x61!", b"\xc2\x41\x01"]
)
def test_a_key_id_that_is_no_integer_is_refused(key_id: object) -> None:
    assert "key id" in refusal(message(unprotected={4: key_id}))


def test_a_message_of_more_than_16_kib_is_refused() -> None:
    room = cose.MAX_SIZE - len(message(payload=bytes(1000))) + 1000
    assert cose.read(message(payload=bytes(room))).payload == bytes(room)
    assert "larger than 16,384 bytes" in refusal(message(payload=bytes(room + 1)))


@pytest.mark.parametrize(
    "bomb",
    [
        message(unprotected={i * (2**61 - 1): 0 for i in range(-8, 9)} | dict.fromkeys(range(300, 4300), 0))
        + b"\0",
        b"\xd2" + b"\x9f" * 16_000,
        b"\xd2" + b"\x81" * 16_000,
        b"\xd2" + b"\xc1" * 16_000,
        b"\xd2\x9b" + b"\xff" * 8,
        b"\xd2\xbb" + b"\x7f" * 8,
        b"\xd2\x84\x5b" + b"\x7f" * 8,
    ],
)
def test_no_message_costs_much(bomb: bytes) -> None:
    assert len(bomb) <= cose.MAX_SIZE
    begin = time.process_time()
    assert "not a COSE_Sign1 message" in refusal(bomb)
    assert time.process_time() - begin < 0.5


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_invalid(data: bytes) -> None:
    for text in (data, b"\xd2" + data, b"\xd2\x84\x43\xa1\x01\x26" + data):
        try:
            assert isinstance(cose.read(text), Sign1)
        except Invalid:
            continue


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-9, 9) | st.text(max_size=2), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.lists(VALUES, max_size=5), st.sampled_from([17, 18, 98]))
def test_any_array_is_read_or_invalid(parts: list[object], tag: int) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(cose.read(cbor2.dumps(cbor2.CBORTag(tag, parts))), Sign1)
