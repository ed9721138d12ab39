"""A rule's commands are on a device's list when it makes contact: once a claim, whole or not at all, in order."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from commands import rules, services
from commands.models import Command, Rule, RuleMark
from devices import services as device_services
from devices import store as devices
from devices.models import Device as DeviceModel
from devices.models import TimelineEntry
from devices.status import Ownership
from provisioning import conversation
from tenants.errors import Refusal
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, PSK, SHARED_KEY, WHO, Device, Request
from tests.pki.make import Issued, issue
from tests.rest import material
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

Served = list[tuple[str, dict[str, Any]]]


class Clock:
    """Contacts far enough apart that nobody is throttled."""

    def __init__(self) -> None:
        self.now = timezone.now()

    def tick(self, **by: float) -> datetime:
        self.now += timedelta(**by) if by else timedelta(seconds=2)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def contact(device: Device, clock: Clock) -> Served:
    """What the device is served, as (type, params)."""
    (said,) = cast.heard(conversation.converse([device.get(clock.tick())]))
    return [(one["type"], one["params"]) for one in said.body.get("commands", [])]


def types(device: Device) -> list[str]:
    """What is on its list, in order."""
    return list(
        Command.objects.filter(device_id=device.id).order_by("position").values_list("type", flat=True)
    )


def config(number: int) -> dict[str, object]:
    return {"config": {"rule": str(number)}}


def numbers(served: Served) -> list[str]:
    return [params["rule"] for _, params in served]


def given(device: Device) -> list[dict[str, Any]]:
    """The rules that its timeline says it was given."""
    return [data for data in device.timeline("changed") if data["what"] == "rule given"]


def not_given(device: Device) -> list[str]:
    return [data["message"] for data in device.timeline("refused")]


def set_ownership(device: Device, word: Ownership) -> None:
    DeviceModel.objects.filter(id=device.id).update(ownership_status=word.value)


# ---- who gets it


def test_a_device_with_all_tags_gets_the_commands_at_its_next_contact(clock: Clock) -> None:
    owner = cast.owner()
    both = cast.device(owner, tags=["pumps", "north", "new"])
    one, none = cast.device(owner, tags=["pumps"]), cast.device(owner)
    rule = cast.rule(owner, "northern pumps", ["north", "pumps"], CONFIG, FINISHED)
    assert types(both) == []
    assert contact(both, clock) == [("config", CONFIG["config"]), ("finished", {})]
    assert contact(one, clock) == contact(none, clock) == []
    ids = [str(id) for id in Command.objects.order_by("position").values_list("id", flat=True)]
    assert given(both) == [{"what": "rule given", "rule": "northern pumps", "commands": ids}]
    assert given(one) == given(none) == []
    assert list(RuleMark.objects.values_list("rule_id", "device_id")) == [(rule, both.id)]
    both.assert_status_holds()
    assert (both.row.status, both.row.pending) == ("PROVISIONING", 2)


def test_it_is_said_before_what_was_served(clock: Clock) -> None:
    device = cast.device(cast.owner(), tags=["a"])
    cast.rule(cast.owner(), "r", ["a"], CONFIG)
    contact(device, clock)
    kinds = list(
        TimelineEntry.objects.filter(device_id=device.id).order_by("id").values_list("kind", "data__what")
    )
    assert kinds == [("changed", "defined"), ("changed", "rule given"), ("served", None)]


def test_another_tenants_devices_get_nothing(clock: Clock) -> None:
    cast.rule(cast.owner("ann"), "r", ["a"], CONFIG)
    theirs = cast.device(cast.owner("bob"), tags=["a"])
    cast.rule(cast.owner("bob"), "s", ["b"], CONFIG)
    assert contact(theirs, clock) == []


def test_a_rule_waits_until_it_is_active_and_stops_when_it_is_not(clock: Clock) -> None:
    owner = cast.owner()
    early, late = cast.device(owner, tags=["a"]), cast.device(owner, tags=["a"])
    rule = cast.rule(owner, "r", ["a"], CONFIG, active=False)
    assert contact(early, clock) == []
    rules.change(owner.id, rule, {}, active=True)
    assert len(contact(early, clock)) == 1
    rules.change(owner.id, rule, {}, active=False)
    assert contact(late, clock) == []
    rules.change(owner.id, rule, {}, active=True)
    assert len(contact(late, clock)) == 1
    assert contact(early, clock) == [("config", CONFIG["config"])]
    assert types(early) == ["config"]


def test_a_device_made_after_the_rule_and_one_tagged_after_it_get_it(clock: Clock) -> None:
    owner = cast.owner()
    old = cast.device(owner, tags=["b"])
    cast.rule(owner, "r", ["a"], CONFIG)
    assert contact(old, clock) == []
    new = cast.device(owner, tags=["a"])
    assert len(contact(new, clock)) == 1
    device_services.change(owner.id, old.id, {}, ["a", "b"], WHO)
    assert len(contact(old, clock)) == 1


def test_results_are_a_contact_and_so_is_a_get_in_any_format(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, CONFIG, tags=["a"])
    (said,) = cast.heard(conversation.converse([device.get(clock.tick())]))
    cast.rule(owner, "r", ["a"], FINISHED)
    (answer,) = cast.heard(conversation.converse([device.results({said.commands[0]: None}, clock.tick())]))
    assert answer.body["results"] == {said.commands[0]: "stored"}
    assert types(device) == ["config", "finished"]
    assert device.row.pending == 1
    device.assert_status_holds()


def test_what_cannot_be_read_is_no_contact() -> None:
    device = cast.device(cast.owner(), tags=["a"])
    cast.rule(cast.owner(), "r", ["a"], CONFIG)
    conversation.converse([device.says("get", b'{"limit": "many"}')])
    assert types(device) == []


# ---- once, in order


def test_a_rule_is_given_once_a_claim_and_unclaiming_forgets_it(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, tags=["a"])
    rule = cast.rule(owner, "r", ["a"], CONFIG)
    contact(device, clock)
    device_services.change(owner.id, device.id, {}, ["a"], WHO)
    rules.change(owner.id, rule, {}, active=False)
    rules.change(owner.id, rule, {}, active=True)
    contact(device, clock)
    assert types(device) == ["config"]
    device_services.delete(owner.id, device.id)
    assert not RuleMark.objects.exists()
    DeviceModel.objects.create(id=device.id, tenant=owner)
    cast.tag([device], "a")
    contact(device, clock)
    assert types(device) == ["config"]
    assert RuleMark.objects.count() == 1


def test_rules_come_in_the_order_in_which_they_were_made_behind_what_is_there(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, config(0), tags=["a", "b"])
    for number, tag in enumerate(["b", "a", "b"], 1):
        cast.rule(owner, f"{9 - number}", [tag], config(number), active=False)
    for rule in Rule.objects.order_by("-created_at"):
        rules.change(owner.id, rule.id, {}, active=True)
    assert numbers(contact(device, clock)) == ["0", "1", "2", "3"]
    assert [data["rule"] for data in given(device)] == ["8", "7", "6"]


def test_a_deleted_rule_leaves_what_it_gave(clock: Clock) -> None:
    owner = cast.owner()
    device, late = cast.device(owner, tags=["a"]), cast.device(owner, tags=["a"])
    rule = cast.rule(owner, "r", ["a"], CONFIG)
    contact(device, clock)
    rules.delete(owner.id, rule)
    assert len(contact(device, clock)) == 1
    assert contact(late, clock) == []


def test_behind_a_closed_run_a_new_one_begins(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, CONFIG, FINISHED, tags=["a"])
    (said,) = cast.heard(conversation.converse([device.get(clock.tick())]))
    conversation.converse([device.results(dict.fromkeys(said.commands), clock.tick())])
    assert device.row.status == "PROVISIONED"
    cast.rule(owner, "r", ["a"], CONFIG)
    assert len(contact(device, clock)) == 1
    assert device.row.status == "PROVISIONING"
    device.assert_status_holds()


# ---- who must wait


def test_a_blocked_device_gets_it_when_it_is_no_longer_blocked(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, tags=["a"])
    cast.rule(owner, "r", ["a"], CONFIG)
    services.block(owner.id, device.id, WHO)
    contact(device, clock)
    assert types(device) == []
    services.unblock(owner.id, device.id, WHO)
    assert len(contact(device, clock)) == 1


def test_a_device_in_error_gets_it_when_that_is_repaired(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, CONFIG, tags=["a"])
    (said,) = cast.heard(conversation.converse([device.get(clock.tick())]))
    conversation.converse([device.results({said.commands[0]: 5}, clock.tick())])
    cast.rule(owner, "r", ["a"], FINISHED)
    assert contact(device, clock) == []
    assert (device.row.status, types(device)) == ("ERROR", ["config"])
    services.skip(owner.id, device.id, Command.objects.get().id, WHO)
    assert contact(device, clock) == [("finished", {})]


def test_a_full_list_takes_a_rule_when_it_has_room_and_says_so_once(clock: Clock) -> None:
    owner = cast.owner()
    device = cast.device(owner, *[CONFIG] * 18, tags=["a"])
    cast.rule(owner, "three", ["a"], config(1), config(2), config(3))
    cast.rule(owner, "one", ["a"], config(4))
    for _ in range(3):
        contact(device, clock)
    assert (len(types(device)), [data["rule"] for data in given(device)]) == (19, ["one"])
    (told,) = not_given(device)
    assert told.startswith(
        "Rule 'three' was not given. The device has 18 open commands and 20 is the most; 3 more"
    )
    assert TimelineEntry.objects.get(device_id=device.id, kind="refused").count == 3
    for command in Command.objects.filter(device_id=device.id).order_by("position")[:2]:
        services.skip(owner.id, device.id, command.id, WHO)
    contact(device, clock)
    assert [data["rule"] for data in given(device)] == ["one", "three"]
    assert types(device) == ["config"] * 22
    assert not_given(device) == [told]
    device.assert_status_holds()


def test_a_refusal_of_another_day_is_said_again() -> None:
    device = cast.device(cast.owner(), *[CONFIG] * 20, tags=["a"])
    cast.rule(cast.owner(), "r", ["a"], CONFIG)
    conversation.converse([device.get()])
    TimelineEntry.objects.filter(kind="refused").update(fold="QUEUE_FULL:" + "0" * 32 + ":20200101")
    conversation.converse([device.get(timezone.now() + timedelta(seconds=2))])
    assert len(not_given(device)) == 2


# ---- fields of the device


def test_every_device_gets_its_own_texts(clock: Clock) -> None:
    owner = cast.owner()
    fields = {"name": "pump 1", "serial_number": "SN-1", "device_type": "t", "imei": "35", "vendor_id": "v"}
    first = cast.device(owner, tags=["a"], **fields, class_id="c")
    second = cast.device(owner, tags=["a"], serial_number="SN-2")
    text = "{{device.name}}|{{device.serialNumber}}|{{device.deviceType}}|{{device.imei}}|{{device.vendorId}}"
    request = {
        "certificateSigningRequest": {"secTag": 1, "attributes": "CN={{device.id}}", "keyUsage": "101000000"}
    }
    cast.rule(owner, "r", ["a"], request, {"config": {"id": text + "|{{device.classId}}"}})
    said = cast.by_device(conversation.converse([first.get(clock.tick()), second.get(clock.now)]))
    for device, wanted in ((first, "pump 1|SN-1|t|35|v|c"), (second, "|SN-2||||")):
        (csr, config_) = said[device.id].body["commands"]
        assert csr["params"]["attributes"] == f"CN={device.id}"
        assert config_["params"] == {"id": wanted}


def test_a_device_whose_fields_do_not_fit_gets_nothing_until_they_do(clock: Clock) -> None:
    owner = cast.owner()
    request = {"certificateSigningRequest": {"secTag": 1, "attributes": "CN={{device.serialNumber}}"}}
    request["certificateSigningRequest"]["keyUsage"] = "101000000"
    device = cast.device(owner, tags=["a"])
    cast.rule(owner, "r", ["a"], CONFIG, request)
    cast.rule(owner, "s", ["a"], config(2))
    assert numbers(contact(device, clock)) == ["2"]
    (told,) = not_given(device)
    assert told.startswith(
        "Rule 'r' was not given. commands[1].request.certificateSigningRequest.attributes: Must be"
    )
    device_services.change(owner.id, device.id, {"serial_number": "SN,O=Other"}, None, WHO)
    contact(device, clock)
    assert types(device) == ["config"]
    device_services.change(owner.id, device.id, {"serial_number": "SN-1"}, None, WHO)
    contact(device, clock)
    assert types(device) == ["config", "config", "certificateSigningRequest"]


def test_a_certificate_that_has_expired_since_is_not_given(clock: Clock) -> None:
    owner, device = cast.owner(), cast.device(cast.owner(), tags=["a"])
    now = timezone.now()
    soon: Issued = issue("Soon", ca=True, begin=now - timedelta(days=1), end=now + timedelta(seconds=2))
    cast.rule(owner, "r", ["a"], {"serverCertificate": {"secTag": 1, "content": soon.pem}})
    time.sleep(2.5)
    assert contact(device, clock) == []
    assert "commands[0].request.serverCertificate.content" in not_given(device)[0]


# ---- secrets


def test_secrets_reach_the_device_and_nothing_else(clock: Clock) -> None:
    owner, device = cast.owner(), cast.device(cast.owner(), tags=["a"])
    shared = {"preSharedKey": {"secTag": 5, "identity": "{{device.id}}", "secret": PSK}}
    cast.rule(owner, "r", ["a"], shared)
    ((_, params),) = contact(device, clock)
    assert params == {"secTag": 5, "identity": str(device.id), "secret": PSK}
    command = Command.objects.get()
    assert command.request == {"secTag": 5, "identity": str(device.id), "secret": "***"}
    assert PSK not in str(list(Command.objects.values()) + list(TimelineEntry.objects.values()))


def test_a_device_that_nothing_proves_carries_no_secrets(clock: Clock, settings: Any) -> None:
    owner, device = cast.owner(), cast.device(cast.owner(), tags=["a"])
    set_ownership(device, Ownership.UNPROVEN)
    cast.rule(owner, "secret", ["a"], CONFIG, SHARED_KEY)
    cast.rule(owner, "plain", ["a"], FINISHED)
    assert contact(device, clock) == [("finished", {})]
    (told,) = not_given(device)
    assert told.startswith("Rule 'secret' was not given. Nothing proves yet that this device is yours")
    DeviceModel.objects.filter(id=device.id).update(proved_at=timezone.now())
    contact(device, clock)
    assert types(device) == ["finished", "config", "preSharedKey"]


def test_its_operator_may_let_such_devices_carry_secrets(clock: Clock, settings: Any) -> None:
    settings.KEYSEED_UNPROVEN_SECRETS = "allow"
    device = cast.device(cast.owner(), tags=["a"])
    set_ownership(device, Ownership.UNPROVEN)
    cast.rule(cast.owner(), "secret", ["a"], SHARED_KEY)
    assert [type for type, _ in contact(device, clock)] == ["preSharedKey"]


def test_its_owner_cannot_put_secrets_on_it_either(settings: Any) -> None:
    owner, device = cast.owner(), cast.device(cast.owner())
    set_ownership(device, Ownership.UNPROVEN)
    device.add(CONFIG)
    with pytest.raises(Refusal) as refused:
        device.add(CONFIG, SHARED_KEY)
    assert refused.value.code == "CLAIM_UNPROVEN"
    assert types(device) == ["config"]
    settings.KEYSEED_UNPROVEN_SECRETS = "allow"
    (command_id,) = device.add(SHARED_KEY)
    settings.KEYSEED_UNPROVEN_SECRETS = "refuse"
    with pytest.raises(Refusal) as refused:
        services.reset(owner.id, device.id, command_id, WHO, {"secret": PSK})
    assert refused.value.code == "CLAIM_UNPROVEN"
    for word in (Ownership.DEFINED, Ownership.IDENTIFIED):
        set_ownership(device, word)
        device.add(SHARED_KEY)


# ---- two at once


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """What went wrong while all of them ran, each on a connection of its own."""
    troubles: list[Exception] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the test looks at all of them
            troubles.append(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))
    return troubles


def test_two_contacts_at_once_give_a_rule_once() -> None:
    owner = cast.owner()
    for round in range(10):
        device = cast.device(owner, tags=[f"t{round}"])
        cast.rule(owner, f"rule {round}", [f"t{round}"], CONFIG, FINISHED)
        meet = threading.Barrier(4)

        def ask(device: Device = device, meet: threading.Barrier = meet) -> None:
            meet.wait(10)
            conversation.converse([device.get()])

        assert at_once(*[ask] * 4) == []
        assert types(device) == ["config", "finished"]
        assert len(given(device)) == 1


def test_whoever_deletes_a_rule_waits_for_those_who_give_it_and_they_for_him(postgres: Postgres) -> None:
    owner = cast.owner()
    device = cast.device(owner, tags=["a"])
    rule = cast.rule(owner, "r", ["a"], CONFIG)
    with transaction.atomic():
        rules.delete(owner.id, rule)
        asking = threading.Thread(target=at_once, args=[lambda: conversation.converse([device.get()])])
        asking.start()
        time.sleep(0.3)
        assert asking.is_alive()
    asking.join(10)
    assert types(device) == []
    assert device.row.last_seen_at is not None


@pytest.mark.timeout(60)
def test_rules_come_and_go_while_devices_ask(postgres: Postgres) -> None:
    deadlocks = postgres.log_text().count("deadlock detected")
    owner = cast.owner()
    fleet = cast.fleet(owner, 12)
    cast.tag(fleet, "a")
    end = time.monotonic() + 3

    def change(name: str) -> None:
        while time.monotonic() < end:
            rule = cast.rule(owner, name, ["a"], CONFIG)
            time.sleep(0.02)
            rules.delete(owner.id, rule)

    def ask(part: list[Device]) -> None:
        while time.monotonic() < end:
            conversation.converse([device.get() for device in part])
            with transaction.atomic():
                devices.lock([device.id for device in part])
                Command.objects.filter(device_id__in=[device.id for device in part]).delete()

    def claim_again() -> None:
        while time.monotonic() < end:
            new = cast.device(owner, tags=["a"])
            conversation.converse([new.get()])
            device_services.delete(owner.id, new.id)

    acts = [
        lambda: change("x"),
        lambda: change("y"),
        lambda: ask(fleet[:8]),
        lambda: ask(fleet[4:]),
        claim_again,
    ]
    assert at_once(*acts) == []
    assert postgres.log_text().count("deadlock detected") == deadlocks
    assert not RuleMark.objects.exists()


# ---- as nRF Cloud's own tools use it


def test_onboarding_by_a_rule_as_nordics_tools_make_it(clock: Clock) -> None:
    owner = cast.owner()
    authority = material.root()
    assert len(authority) == 1188
    tag, slot = "nrf-cloud-onboarding", 16842753
    requests: list[Request] = [
        {"clientPrivateKeyGeneration": {"secTag": slot}},
        {"cloudAccessKeyGeneration": {"secTag": slot}},
        {"serverCertificate": {"secTag": slot, "content": authority}},
    ]
    cast.rule(owner, "nRF Cloud Onboarding", [tag], *requests)
    device = cast.device(owner, tags=[tag])
    assert [{type: params} for type, params in contact(device, clock)] == requests
