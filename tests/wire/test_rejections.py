"""A refusal has a code of WIRE.md 4.1, says what is wrong and what to do, and carries the request's id."""

import pytest

from provisioning.wire import codec
from provisioning.wire.errors import Malformed, Refused, TooLarge, UnsupportedFormat
from provisioning.wire.messages import Rejected
from provisioning.wire.rejections import REJECTIONS, refusal, rejection


def test_the_table_has_the_codes_of_the_wire_and_no_others() -> None:
    assert list(REJECTIONS) == [
        *("MALFORMED", "TOO_LARGE", "NOT_CLAIMED", "BLOCKED"),
        *("THROTTLED", "UNSUPPORTED_FORMAT", "INTERNAL"),
    ]


@pytest.mark.parametrize("code", REJECTIONS)
def test_every_code_says_what_to_do_in_a_sentence(code: str) -> None:
    message = rejection(code).message
    assert message == REJECTIONS[code]
    assert message[0].isupper()
    assert message.endswith(".")


def test_the_reason_stands_in_front_of_the_advice() -> None:
    made = rejection("THROTTLED", id="q", reason="Eleven requests in a second.", retry_after=2.5)
    message = f"Eleven requests in a second. {REJECTIONS['THROTTLED']}"
    assert made == Rejected(id="q", code="THROTTLED", message=message, retry_after=2.5)


def test_a_code_that_is_not_in_the_table_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        rejection("TEAPOT")


@pytest.mark.parametrize("kind", [Malformed, TooLarge, UnsupportedFormat])
def test_every_kind_of_error_becomes_its_own_refusal(kind: type[Refused]) -> None:
    made = refusal(kind("It is wrong.", id="q"))
    assert made == rejection(kind.code, id="q", reason="It is wrong.")


def test_a_message_that_cannot_be_read_is_refused_with_its_id_and_what_is_wrong() -> None:
    with pytest.raises(Malformed) as refused:
        codec.CODECS["json"].decode_get(b'{"id":"q","limit":99}')
    sent = codec.CODECS["json"].rejected(refusal(refused.value))
    advice = REJECTIONS["MALFORMED"]
    reason = "limit must be an integer from 1 to 20."
    assert sent.decode() == f'{{"id":"q","code":"MALFORMED","message":"{reason} {advice}"}}'


def test_a_message_in_an_unknown_format_is_refused_in_json() -> None:
    with pytest.raises(UnsupportedFormat) as refused:
        codec.named("xml")
    sent = codec.answering("xml").rejected(refusal(refused.value))
    advice = REJECTIONS["UNSUPPORTED_FORMAT"]
    reason = "The service speaks cbor, json, nrf."
    assert sent.decode() == f'{{"code":"UNSUPPORTED_FORMAT","message":"{reason} {advice}"}}'
