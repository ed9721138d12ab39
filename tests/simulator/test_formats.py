"""The client's own encoding (WIRE.md 3.1, 8.1)."""

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.simulator import formats
from provisioning.simulator.formats import Failed, Format, Ok, Result

texts = st.text(st.characters(exclude_categories=["Cs"]))
outcomes = st.one_of(
    st.builds(Ok, st.none() | st.dictionaries(texts, texts, min_size=1)),
    st.builds(Failed, st.integers(-(2**31), 2**31 - 1), texts),
)
results = st.builds(Result, texts, outcomes)


@pytest.mark.parametrize("form", list(Format))
@given(done=st.lists(results))
def test_results_come_back_as_they_were_written(form: Format, done: list[Result]) -> None:
    body = formats.write_results(done)
    assert formats.decode(form, formats.encode(form, body)) == body


def test_json_is_compact_utf_8() -> None:
    assert formats.encode(Format.JSON, {"id": "é", "limit": 3}) == '{"id":"é","limit":3}'.encode()


def test_cbor_has_definite_lengths_and_shortest_integers() -> None:
    assert formats.encode(Format.CBOR, {"a": 23, "b": 255}) == bytes.fromhex("a2616117616218ff")


def test_cbor_of_indefinite_length_is_read() -> None:
    payload = bytes.fromhex("bf66737461747573655245414459")[:-6] + cbor2.dumps("READY")
    payload += cbor2.dumps("commands") + b"\x9f\xff" + cbor2.dumps("pending") + b"\x00" + b"\xff"
    assert formats.read(Format.CBOR, "commands", payload) == formats.Commands(None, "READY", (), 0)


def test_an_error_message_is_cut_to_what_the_service_takes() -> None:
    entry = formats.write_result(Result("c", Failed(2, "x" * 2000)))
    assert entry == {"id": "c", "ok": False, "error": {"code": 2, "message": "x" * 1024}}


def test_an_outcome_without_a_value_says_none() -> None:
    assert formats.write_result(Result("c", Ok())) == {"id": "c", "ok": True}


@given(name=texts, value=st.none() | st.dictionaries(texts, texts, min_size=1))
def test_what_is_kept_over_a_reboot_comes_back(name: str, value: dict[str, str] | None) -> None:
    result = Result(name, Ok(value))
    assert formats.thaw(formats.freeze(result)) == result


@given(st.binary(max_size=40))
def test_rubbish_in_the_flash_is_unreadable_or_a_result(kept: bytes) -> None:
    with suppress(formats.Unreadable):
        assert isinstance(formats.thaw(kept), Result)


@pytest.mark.parametrize("verb", ["get", "results", "", "Commands"])
def test_no_other_verb_is_a_message_to_a_device(verb: str) -> None:
    with pytest.raises(formats.Unreadable):
        formats.read(Format.JSON, verb, b'{"status":"READY","commands":[],"pending":0}')
