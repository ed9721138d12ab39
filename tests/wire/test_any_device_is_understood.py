"""Whatever a device says within WIRE.md 2.1 and 3.1 comes out as it was meant, in every format."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.wire.codec import CODECS
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Get, Result, Results
from tests.wire import messages
from tests.wire.messages import ENCODERS, Body

formats = pytest.mark.parametrize("format", sorted(CODECS))
maps = pytest.mark.parametrize("format", sorted(set(CODECS) - {"nrf"}))


@formats
@given(messages.gets())
def test_a_get_means_what_the_device_meant(format: str, said: tuple[Body, Get]) -> None:
    body, meant = said
    assert CODECS[format].decode_get(ENCODERS[format](body)) == meant


@maps
@given(messages.reports())
def test_results_mean_what_the_device_meant(format: str, said: tuple[Body, Results]) -> None:
    body, meant = said
    assert CODECS[format].decode_results(ENCODERS[format](body)) == meant


@given(messages.modem_reports())
def test_a_modems_responses_mean_what_became_of_its_commands(said: tuple[list[object], Results]) -> None:
    body, meant = said
    assert CODECS["nrf"].decode_results(cbor2.dumps(body)) == meant


@given(messages.modem_reports())
def test_indefinite_lengths_of_a_modem_change_nothing(said: tuple[list[object], Results]) -> None:
    body, meant = said
    payload = cbor2.dumps(body, indefinite_containers=True)
    assert payload[:2] == b"\x9f\x9f"
    assert CODECS["nrf"].decode_results(payload) == meant


@formats
@given(messages.gets(), st.dictionaries(st.sampled_from(("x", "colour", "Id", "results")), messages.plain))
def test_unknown_keys_change_nothing(format: str, said: tuple[Body, Get], unknown: Body) -> None:
    body, meant = said
    assert CODECS[format].decode_get(ENCODERS[format]({**unknown, **body})) == meant


@formats
@given(messages.gets())
def test_the_order_of_keys_changes_nothing(format: str, said: tuple[Body, Get]) -> None:
    body, meant = said
    backwards = dict(reversed(body.items()))
    assert CODECS[format].decode_get(ENCODERS[format](backwards)) == meant


@maps
def test_a_run_reported_twice_over_in_one_message_is_read(format: str) -> None:
    body = {"results": [{"id": f"{number:x}", "ok": True} for number in range(400)]}
    read = CODECS[format].decode_results(ENCODERS[format](body))
    assert read.results == tuple(Result(id=f"{number:x}", ok=True) for number in range(400))


def test_a_modem_may_report_a_run_twice_over_in_one_message() -> None:
    body = [[f"{number:x}", 102] for number in range(400)]
    read = CODECS["nrf"].decode_results(cbor2.dumps(body))
    assert read.results == tuple(Result(id=f"{number:x}", ok=True) for number in range(400))
    with pytest.raises(Malformed, match="at most 400"):
        CODECS["nrf"].decode_results(cbor2.dumps([*body, ["190", 102]]))


KEYS = st.sampled_from(
    ("id", "after", "limit", "rxMaxSize", "txMaxSize", "types", "client", "results", "ok", "value", "error")
)


@given(st.dictionaries(KEYS, messages.wild) | messages.wild)
def test_both_formats_read_the_same_or_refuse_the_same(body: object) -> None:
    read = [outcome(format, body) for format in ("json", "cbor")]
    assert read[0] == read[1]
    assert outcome("nrf", body)[0] == read[1][0]


def outcome(format: str, body: object) -> tuple[object, object]:
    """What a `get` and a `results` of this body come to; Malformed is one outcome, its words aside."""
    try:
        payload = ENCODERS[format](body)
    except UnicodeEncodeError:
        return (None, None)
    return (attempt(CODECS[format].decode_get, payload), attempt(CODECS[format].decode_results, payload))


def attempt(decode: object, payload: bytes) -> object:
    assert callable(decode)
    try:
        return decode(payload)
    except Malformed:
        return None
