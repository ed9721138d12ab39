"""Whatever a device says within WIRE.md 2.1 and 3.1 comes out as it was meant, in every format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.wire.codec import CODECS
from provisioning.wire.errors import Malformed
from provisioning.wire.messages import Get, Result, Results
from tests.wire import messages
from tests.wire.messages import ENCODERS, Body

formats = pytest.mark.parametrize("format", sorted(CODECS))


@formats
@given(messages.gets())
def test_a_get_means_what_the_device_meant(format: str, said: tuple[Body, Get]) -> None:
    body, meant = said
    assert CODECS[format].decode_get(ENCODERS[format](body)) == meant


@formats
@given(messages.reports())
def test_results_mean_what_the_device_meant(format: str, said: tuple[Body, Results]) -> None:
    body, meant = said
    assert CODECS[format].decode_results(ENCODERS[format](body)) == meant


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


@formats
def test_a_run_reported_twice_over_in_one_message_is_read(format: str) -> None:
    body = {"results": [{"id": f"{number:x}", "ok": True} for number in range(400)]}
    read = CODECS[format].decode_results(ENCODERS[format](body))
    assert read.results == tuple(Result(id=f"{number:x}", ok=True) for number in range(400))


KEYS = st.sampled_from(
    ("id", "after", "limit", "rxMaxSize", "txMaxSize", "types", "client", "results", "ok", "value", "error")
)


@given(st.dictionaries(KEYS, messages.wild) | messages.wild)
def test_both_formats_read_the_same_or_refuse_the_same(body: object) -> None:
    read = [outcome(format, body) for format in ("json", "cbor")]
    assert read[0] == read[1]


def outcome(format: str, body: object) -> object:
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
