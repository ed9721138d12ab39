"""Who may connect and reach what, without a broker."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.embedded import rules
from provisioning.embedded.rules import Device, ServiceAccount
from tests.embedded.people import GATEWAY, HEALTHY, NEIGHBOUR, ROOT

OWN = f"{ROOT}/{HEALTHY}"
FOREIGN = f"{ROOT}/{NEIGHBOUR}"
# Levels that make near misses likely.
LEVELS = st.sampled_from(
    [HEALTHY, NEIGHBOUR, "prov", "v1", "+", "#", "", "$share", "$SYS", "json", "get", "results"]
)
TOPICS = st.lists(LEVELS, min_size=1, max_size=7).map("/".join)


@pytest.mark.parametrize("text", [HEALTHY, "00000000-0000-0000-0000-000000000000"])
def test_a_lower_case_dashed_uuid_is_a_device_id(text: str) -> None:
    assert rules.is_device_id(text)


@pytest.mark.parametrize(
    "text", ["", HEALTHY.upper(), HEALTHY.replace("-", ""), HEALTHY + "\n", f"{{{HEALTHY}}}", "gateway"]
)
def test_nothing_else_is_a_device_id(text: str) -> None:
    assert not rules.is_device_id(text)


@pytest.mark.parametrize("client_id", [HEALTHY, HEALTHY + "-1", HEALTHY + "-" + "x" * 20, HEALTHY + "--"])
def test_a_client_id_is_the_device_id_with_or_without_a_short_suffix(client_id: str) -> None:
    assert rules.client_id_allowed(HEALTHY, client_id)


@pytest.mark.parametrize(
    "client_id",
    [
        "",
        NEIGHBOUR,
        HEALTHY + "-",
        HEALTHY + "x",
        HEALTHY + "-" + "x" * 21,
        HEALTHY.upper(),
        "x" + HEALTHY,
        HEALTHY + "-\x01",
    ],
)
def test_any_other_client_id_is_refused(client_id: str) -> None:
    assert not rules.client_id_allowed(HEALTHY, client_id)


@pytest.mark.parametrize(
    "up", ["json/get", "json/results", "cbor/get", "nrf/results", "xml9/get", "a" * 16 + "/get"]
)
def test_a_device_publishes_its_requests_in_any_format(up: str) -> None:
    assert rules.may_publish(HEALTHY, f"{OWN}/{up}", ROOT)


@pytest.mark.parametrize(
    "topic",
    [
        f"{OWN}/json/commands",
        f"{OWN}/json/accepted",
        f"{OWN}/json/rejected",
        f"{OWN}/notify",
        f"{OWN}/get",
        f"{OWN}//get",
        f"{OWN}/JSON/get",
        f"{OWN}/{'a' * 17}/get",
        f"{OWN}/json/get/",
        f"{OWN}/json/get/x",
        f"{OWN}/json/get\n",
        f"/{OWN}/json/get",
        f"{FOREIGN}/json/get",
        f"other/v1/{HEALTHY}/json/get",
        f"{ROOT}/{HEALTHY}x/json/get",
        "$SYS/x",
        "",
    ],
)
def test_a_device_publishes_nothing_else(topic: str) -> None:
    assert not rules.may_publish(HEALTHY, topic, ROOT)


@pytest.mark.parametrize("end", ["#", "+/commands", "json/+", "json/commands", "notify", "+/+", "+/#"])
def test_a_device_subscribes_below_its_own_id(end: str) -> None:
    assert rules.may_subscribe(HEALTHY, f"{OWN}/{end}", ROOT)


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "+/#",
        f"{ROOT}/#",
        f"{ROOT}/+/json/commands",
        f"+/v1/{HEALTHY}/#",
        f"{FOREIGN}/#",
        OWN,
        f"{OWN}/",
        f"{OWN}#",
        f"{OWN}/a#",
        f"{OWN}/#/a",
        f"{OWN}/a+/b",
        f"$share/group/{OWN}/#",
        f"$share/gateways/{ROOT}/+/+/get",
        "$SYS/#",
        "",
    ],
)
def test_a_device_subscribes_to_nothing_else(topic_filter: str) -> None:
    assert not rules.may_subscribe(HEALTHY, topic_filter, ROOT)


@given(TOPICS)
def test_whatever_a_device_may_subscribe_to_brings_its_own_topics_only(topic_filter: str) -> None:
    if rules.may_subscribe(HEALTHY, topic_filter, ROOT):
        assert topic_filter.startswith(OWN + "/")
        assert not rules.matches(topic_filter, f"{FOREIGN}/json/commands")


@given(TOPICS)
def test_whatever_a_device_may_publish_is_its_own_topic(topic: str) -> None:
    if rules.may_publish(HEALTHY, topic, ROOT):
        assert rules.device_of(topic, ROOT) == HEALTHY


@pytest.mark.parametrize("topic_filter", [f"{ROOT}/#", f"{ROOT}/+/+/get", f"{OWN}/json/results"])
def test_the_service_hears_all_below_the_root(topic_filter: str) -> None:
    assert rules.service_may_subscribe(topic_filter, ROOT)


@pytest.mark.parametrize(
    "topic_filter", ["#", "$SYS/#", f"$share/gateways/{ROOT}/+/+/get", "prov/v2/#", f"{ROOT}/", "+/+/#"]
)
def test_the_service_hears_nothing_else(topic_filter: str) -> None:
    assert not rules.service_may_subscribe(topic_filter, ROOT)


def test_the_service_publishes_to_devices_only() -> None:
    assert rules.service_may_publish(f"{OWN}/json/commands", ROOT)
    assert rules.service_may_publish(f"{OWN}/notify", ROOT)
    for topic in (
        f"{ROOT}/all/json/commands",
        f"{ROOT}/{HEALTHY}",
        f"{ROOT}/{HEALTHY}/",
        "prov/v2/x",
        "$SYS/x",
    ):
        assert not rules.service_may_publish(topic, ROOT)


def test_the_rule_follows_from_who_asks() -> None:
    assert not rules.publish_allowed(Device(HEALTHY), f"{OWN}/json/commands", ROOT)
    assert rules.publish_allowed(GATEWAY, f"{OWN}/json/commands", ROOT)
    assert not rules.subscribe_allowed(Device(HEALTHY), f"{ROOT}/#", ROOT)
    assert rules.subscribe_allowed(GATEWAY, f"{ROOT}/#", ROOT)


@pytest.mark.parametrize("client_id", ["", "gateway", "gateway-1", "x" * 128])
def test_the_service_chooses_its_client_id(client_id: str) -> None:
    assert rules.service_client_id_allowed(client_id)


@pytest.mark.parametrize("client_id", [HEALTHY, HEALTHY + "-1", "x" * 129])
def test_the_service_never_takes_a_device_s_client_id(client_id: str) -> None:
    assert not rules.service_client_id_allowed(client_id)


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("gateway", ""), (HEALTHY, "x")])
def test_a_service_account_that_could_not_be_told_apart_is_refused(user: str, password: str) -> None:
    with pytest.raises(ValueError, match="the service account"):
        ServiceAccount(user, password)


def test_the_password_of_the_service_is_not_shown() -> None:
    assert GATEWAY.password not in repr(GATEWAY)


@pytest.mark.parametrize("root", ["", "/prov", "prov/", "prov//v1", "prov/+", "#", "$SYS/prov", "a\0b"])
def test_a_root_that_no_rule_can_hold_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="topic root"):
        rules.check_root(root)


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("a/b", "a/b"),
        ("a/+", "a/b"),
        ("a/#", "a/b/c"),
        ("a/#", "a"),
        ("+/+", "/b"),
        ("#", "a"),
        ("a/+/c", "a//c"),
    ],
)
def test_a_filter_matches(topic_filter: str, topic: str) -> None:
    assert rules.matches(topic_filter, topic)


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        ("a/b", "a"),
        ("a/+", "a"),
        ("a/+", "a/b/c"),
        ("a/b/#", "a"),
        ("#", "$SYS/a"),
        ("+/a", "$SYS/a"),
        ("a", "A"),
    ],
)
def test_a_filter_does_not_match(topic_filter: str, topic: str) -> None:
    assert not rules.matches(topic_filter, topic)


@given(st.lists(st.text(string.ascii_lowercase, max_size=2), min_size=1, max_size=5), st.data())
def test_a_filter_made_from_a_topic_matches_it(levels: list[str], data: st.DataObject) -> None:
    wanted = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    keep = data.draw(st.integers(0, len(wanted)))
    assert rules.matches("/".join(wanted), "/".join(levels))
    assert rules.matches("/".join([*wanted[:keep], "#"]), "/".join(levels))
