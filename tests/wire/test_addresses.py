"""Topics and correlation ids: what is made can be read, and what is read was spelled as it is made."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.wire import correlation, errors, limits, topics

uuids = st.uuids()
roots = st.sampled_from(("prov/v1", "p", "acme/eu/prov/v1"))
formats = st.from_regex(r"[a-z0-9]{1,16}", fullmatch=True)
attempts = st.integers(0, 2**31 - 1)


@given(uuids, roots, formats, st.sampled_from(("get", "results")))
def test_a_devices_topic_is_read_below_any_root(id: UUID, root: str, format: str, verb: str) -> None:
    address = topics.parse(f"{root}/{id}/{format}/{verb}", root)
    assert (address.device_id, address.format, address.verb) == (str(id), format, verb)


@given(st.text(max_size=90), roots)
def test_any_other_text_is_unroutable(text: str, root: str) -> None:
    with pytest.raises(errors.Unroutable):
        topics.parse(text, root)
    with pytest.raises(errors.Unroutable):
        topics.parse(f"{root}/{text}", root)


@given(uuids, roots, formats)
def test_what_the_service_publishes_is_never_taken_for_a_message_of_a_device(
    id: UUID, root: str, format: str
) -> None:
    below = [make(root, id, format) for make in (topics.commands, topics.accepted, topics.rejected)]
    for topic in (*below, topics.notify(root, id)):
        assert topic.startswith(f"{root}/{id}/")
        with pytest.raises(errors.Unroutable):
            topics.parse(topic, root)


def test_a_gateway_subscribes_to_what_devices_send_and_to_nothing_else() -> None:
    assert topics.subscriptions("prov/v1") == ("prov/v1/+/+/get", "prov/v1/+/+/results")


@given(uuids, attempts)
def test_a_correlation_id_is_read_as_it_was_made(command_id: UUID, attempt: int) -> None:
    made = correlation.make(command_id, attempt)
    assert correlation.read(made) == (str(command_id), attempt)
    assert len(made) <= limits.CORRELATION


@given(uuids, st.from_regex(r"\.?[0-9a-fA-FxX+_ .-]{0,10}", fullmatch=True))
def test_what_is_read_is_spelled_as_it_is_made(command_id: UUID, end: str) -> None:
    read = correlation.read(f"{command_id}{end}")
    assert read is None or correlation.make(*read) == f"{command_id}{end}"


@given(st.text(max_size=60))
def test_any_text_is_a_correlation_id_or_none(text: str) -> None:
    read = correlation.read(text)
    assert read is None or correlation.make(*read) == text


@pytest.mark.parametrize("attempt", [-1, 2**31])
def test_an_attempt_out_of_range_is_the_callers_mistake(attempt: int) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 2147483647"):
        correlation.make("0b5f4c2e-8d6a-4b0e-9f0e-3a1b2c3d4e5f", attempt)
