import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from pki import der
from tests.pki import make

TAGS = st.sampled_from([tag for tag in range(256) if tag & 0x1F != 0x1F])


@given(st.lists(st.tuples(TAGS, st.binary(max_size=300)), max_size=8))
def test_what_was_written_is_read(pairs: list[tuple[int, bytes]]) -> None:
    wholes = [der.element(tag, body) for tag, body in pairs]
    found = der.elements(b"".join(wholes))
    assert [(element.tag, element.body) for element in found] == pairs
    assert [element.whole for element in found] == wholes


@given(st.binary(max_size=64))
def test_whatever_is_read_is_the_only_encoding_of_it(data: bytes) -> None:
    try:
        found = der.elements(data)
    except der.Malformed:
        return
    assert b"".join(der.element(element.tag, element.body) for element in found) == data


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_every_form_of_length_is_read(size: int) -> None:
    assert der.one(der.element(der.SEQUENCE, bytes(size))) == bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        *("30", "3001", "3082", "30ff"),
        *("3080", "30800000"),
        *("308100", "308200", "30817f" + "00" * 127, "30820080" + "00" * 128, "3084000000010500"),
        *("1f8101", "300500"),
    ],
)
def test_truncated_indefinite_and_padded_lengths_are_refused(data: str) -> None:
    with pytest.raises(der.Malformed):
        der.elements(bytes.fromhex(data))


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_read(value: int) -> None:
    assert der.number(der.one(make.integer(value), der.INTEGER)) == value


@pytest.mark.parametrize("body", ["", "80", "ff", "0000", "007f", "010000000000000000", "00" * 9])
def test_negative_padded_and_giant_numbers_are_refused(body: str) -> None:
    with pytest.raises(der.Malformed):
        der.number(bytes.fromhex(body))


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113549.1.5.13", "2.16.840.1.101.3.4.1.42", "1.3.6.1.4.1.11591.4.11"]
)
def test_object_identifiers_are_read(dotted: str) -> None:
    assert der.dotted(der.one(make.oid(dotted), der.OID)) == dotted


@given(st.integers(0, 1), st.integers(0, 39), st.lists(st.integers(0, 2**20), max_size=6))
def test_object_identifiers_are_those_of_the_library(first: int, second: int, rest: list[int]) -> None:
    text = ".".join(map(str, (first, second, *rest)))
    assert der.dotted(der.one(make.oid(text), der.OID)) == ObjectIdentifier(text).dotted_string


@pytest.mark.parametrize("body", ["", "80", "2a86", "2a" * 33])
def test_unfinished_and_giant_object_identifiers_are_refused(body: str) -> None:
    with pytest.raises(der.Malformed):
        der.dotted(bytes.fromhex(body))


def test_fields_are_of_their_kinds_and_no_more() -> None:
    data = make.integer(1) + make.octets(b"x")
    assert der.fields(data, der.INTEGER, der.OCTET_STRING, optional=(der.SEQUENCE,)) == [b"\1", b"x", b""]
    assert der.fields(data, der.INTEGER, optional=(der.SEQUENCE, der.OCTET_STRING)) == [b"\1", b"", b"x"]
    for tags in (
        (der.INTEGER,),
        (der.OCTET_STRING, der.INTEGER),
        (der.INTEGER, der.OCTET_STRING, der.INTEGER),
    ):
        with pytest.raises(der.Malformed):
            der.fields(data, *tags)
