"""What a broker that asks is told, without a broker: WIRE.md 1.3, 1.7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.access import EXCHANGE, Access, topic_of
from provisioning.embedded.rules import ServiceAccount
from provisioning.wire import topics

ROOT = "prov/v1"
HEALTHY = "0b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8"
NEIGHBOUR = "1b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8"
OWN = f"{ROOT}/{HEALTHY}"
FOREIGN = f"{ROOT}/{NEIGHBOUR}"
ACCESS = Access(ROOT, ServiceAccount("gateway", "secret"))
GROUPED = Access(ROOT, ServiceAccount("gateway", "secret"), "group-with-a-secret-name")

WORDS = st.sampled_from(
    [
        HEALTHY,
        NEIGHBOUR,
        "prov",
        "v1",
        "*",
        "#",
        "",
        "$share",
        "json",
        "get",
        "results",
        "commands",
        "x*",
        "a/b",
        "+",
    ]
)
KEYS = st.lists(WORDS, min_size=1, max_size=7).map(".".join)
USERS = st.sampled_from([HEALTHY, NEIGHBOUR, "gateway", "", "guest", HEALTHY.upper()])


def key(topic: str) -> str:
    return topic.replace("/", ".").replace("+", "*")


@pytest.mark.parametrize("end", ["json/get", "json/results", "nrf/get"])
def test_a_device_sends_its_own(end: str) -> None:
    assert ACCESS.may_publish(HEALTHY, f"{OWN}/{end}")
    assert ACCESS.may_route(HEALTHY, EXCHANGE, "write", key(f"{OWN}/{end}"))


@pytest.mark.parametrize("end", ["#", "json/commands", "+/accepted", "notify"])
def test_a_device_hears_its_own(end: str) -> None:
    assert ACCESS.may_subscribe(HEALTHY, f"{OWN}/{end}")
    assert ACCESS.may_route(HEALTHY, EXCHANGE, "read", key(f"{OWN}/{end}"))


@given(KEYS)
def test_a_device_reaches_nothing_of_another_by_any_routing_key(given: str) -> None:
    begins = given.startswith(f"prov.v1.{HEALTHY}.")
    for permission in ("read", "write"):
        assert begins or not ACCESS.may_route(HEALTHY, EXCHANGE, permission, given)


@given(USERS, KEYS, st.sampled_from(["configure", "", "READ", "delete"]))
def test_other_permissions_are_nobodys(user: str, given: str, permission: str) -> None:
    assert not ACCESS.may_route(user, EXCHANGE, permission, given)


@given(USERS, KEYS)
def test_no_other_exchange_is_for_anybody(user: str, given: str) -> None:
    for permission in ("read", "write"):
        assert not ACCESS.may_route(user, "amq.direct", permission, given)
        assert not ACCESS.may_use(user, "exchange", "amq.direct", permission)


def test_nobody_makes_an_exchange() -> None:
    for user in (HEALTHY, "gateway"):
        assert ACCESS.may_use(user, "exchange", EXCHANGE, "read")
        assert ACCESS.may_use(user, "exchange", EXCHANGE, "write")
        assert not ACCESS.may_use(user, "exchange", EXCHANGE, "configure")
        assert not ACCESS.may_use(user, "vhost", "/", "read")
    assert not ACCESS.may_use("guest", "exchange", EXCHANGE, "read")


@pytest.mark.parametrize("end", ["qos0", "qos1"])
def test_a_queue_is_of_the_client_it_is_named_for(end: str) -> None:
    for client_id in (HEALTHY, f"{HEALTHY}-a", f"{HEALTHY}-qos1"):
        assert ACCESS.may_use(HEALTHY, "queue", f"mqtt-subscription-{client_id}{end}", "configure")
        assert not ACCESS.may_use(NEIGHBOUR, "queue", f"mqtt-subscription-{client_id}{end}", "read")
        assert not ACCESS.may_use("gateway", "queue", f"mqtt-subscription-{client_id}{end}", "read")
    assert ACCESS.may_use("gateway", "queue", f"mqtt-subscription-keyseed-gateway-1{end}", "read")
    assert not ACCESS.may_use(HEALTHY, "queue", f"mqtt-subscription-keyseed-gateway-1{end}", "read")


@pytest.mark.parametrize(
    "name", ["", "orders", HEALTHY, f"mqtt-subscription-{HEALTHY}", f"mqtt-will-{HEALTHY}qos1"]
)
def test_no_other_queue_is_anybodys(name: str) -> None:
    for user in (HEALTHY, "gateway"):
        assert not ACCESS.may_use(user, "queue", name, "configure")


def test_the_service_sends_to_devices_only() -> None:
    assert ACCESS.may_publish("gateway", f"{OWN}/json/commands")
    for topic in ("elsewhere", ROOT, f"{ROOT}/+/json/commands", f"{OWN}/#", f"{ROOT}/x/notify", "$SYS/x"):
        assert not ACCESS.may_publish("gateway", topic), topic


def test_the_service_hears_what_devices_send_alone_or_in_its_group() -> None:
    for wanted in topics.subscriptions(ROOT):
        assert ACCESS.may_subscribe("gateway", wanted)
        assert ACCESS.may_route("gateway", EXCHANGE, "read", key(wanted))
        assert GROUPED.may_subscribe("gateway", f"$share/group-with-a-secret-name/{wanted}")
        assert not GROUPED.may_subscribe("gateway", f"$share/other/{wanted}")
        assert not ACCESS.may_subscribe("gateway", f"$share//{wanted}")
        assert not GROUPED.may_subscribe(HEALTHY, f"$share/group-with-a-secret-name/{wanted}")
    for filter in ("#", f"{ROOT}/#", f"{OWN}/#", f"{ROOT}/+/+/commands"):
        assert not ACCESS.may_subscribe("gateway", filter)


def test_without_an_account_there_is_no_service() -> None:
    nobody = Access(ROOT, None)
    assert not nobody.is_known("")
    assert not nobody.service_signs_in("")
    assert not nobody.client_id_allowed("", "x")
    assert nobody.client_id_allowed(HEALTHY, HEALTHY)


def test_the_service_has_a_name_of_its_own() -> None:
    assert ACCESS.client_id_allowed("gateway", "keyseed-gateway-1")
    for client_id in ("", HEALTHY, f"{HEALTHY}-1"):
        assert not ACCESS.client_id_allowed("gateway", client_id)
    assert ACCESS.service_signs_in("secret")
    for wrong in ("", "secre", "secret ", "\ud800"):
        assert not ACCESS.service_signs_in(wrong)


@given(st.text("abc/+#. *", max_size=20).filter(lambda topic: "." not in topic and "*" not in topic))
def test_a_routing_key_is_read_back_as_the_topic_that_it_was(topic: str) -> None:
    assert topic_of(key(topic)) == topic


@pytest.mark.parametrize("odd", [f"prov/v1.{HEALTHY}.json.get", f"prov.v1.{HEALTHY}.+.get"])
def test_a_key_that_no_topic_makes_is_none(odd: str) -> None:
    assert topic_of(odd) is None
    assert not ACCESS.may_route(HEALTHY, EXCHANGE, "write", odd)
