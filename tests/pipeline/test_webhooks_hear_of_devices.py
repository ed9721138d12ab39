"""What happens to devices reaches the webhooks that asked for it, in order, at least once, signed, without secrets."""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from threading import Event as Moment
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from commands import services
from commands.models import Command
from devices import claiming, events, webhooks
from devices import services as device_services
from devices.event_kinds import Event, Kind
from devices.models import IdentityKey
from provisioning import conversation, hook_client
from provisioning import webhooks as carrier
from provisioning.wire import limits
from tenants.errors import Refusal
from tenants.models import Tenant, Webhook, WebhookDelivery
from tests.containers import ROOT
from tests.pipeline import cast, planted, receivers
from tests.pipeline.cast import CONFIG, FINISHED, WHO, Device
from tests.pipeline.receivers import HERE, OK, Authority, Heard, Receiver
from tests.rest.modems import modem

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

OWN = ["127.0.0.0/8"]
DOCUMENT = ROOT / "docs" / "webhooks.md"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.server(*HERE)


@pytest.fixture(autouse=True)
def allowed(settings: Settings, authority: Authority) -> None:
    settings.KEYSEED_WEBHOOK_ALLOW, settings.KEYSEED_WEBHOOK_CA = OWN, str(authority.file)


@pytest.fixture
def start(tls: ssl.SSLContext) -> Iterator[Callable[..., Receiver]]:
    with ExitStack() as stack:
        yield lambda behave: stack.enter_context(receivers.receiver(behave, tls))


@pytest.fixture
def good(start: Callable[..., Receiver]) -> Receiver:
    return start(receivers.says(OK))


def hook(here: Receiver, *kinds: str, tenant: Tenant | None = None) -> tuple[Webhook, str]:
    """A webhook of the tenant that leads there, and its secret."""
    return webhooks.make((tenant or cast.owner()).id, here.url, kinds or ["*"], "")


def fresh(webhook: Webhook) -> Webhook:
    return webhooks.find(webhook.tenant_id, webhook.id)


def make_due() -> None:
    """The time that a failure has to wait is over."""
    WebhookDelivery.objects.update(due_at=timezone.now())


def told(here: Receiver) -> list[tuple[str, Any]]:
    return [(event["kind"], event["data"]) for event in here.events]


def verified(secret: str, heard: Heard) -> bool:
    """By the lines that docs/webhooks.md has for receivers."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    known: dict[str, Any] = {}
    exec(code, known)
    return bool(known["genuine"](secret, heard.headers["keyseed-signature"], heard.body))


def exchange(device: Device, *codes: int | None) -> None:
    """The device asks, and answers what it got."""
    names = cast.by_device(conversation.converse([device.get()]))[device.id].commands
    conversation.converse([device.results(dict(zip(names, codes, strict=False)))])


# ---- what is heard


def test_a_whole_life_arrives_in_order_with_ids_and_times(good: Receiver) -> None:
    began = timezone.now() - timedelta(seconds=1)
    _, secret = hook(good)
    device = cast.device(cast.owner(), CONFIG, *planted.commands(), FINISHED)
    exchange(device, None, None, 7)
    failed = device.row.status
    services.reset_all(device.tenant_id, device.id, WHO, _again(device))
    exchange(device, None, None, None, None)
    services.block(device.tenant_id, device.id, WHO)
    services.unblock(device.tenant_id, device.id, WHO)
    _delete(device)
    carrier.carry_out()
    assert failed == "ERROR"
    changes = [(d["old"], d["new"]) for kind, d in told(good) if kind == "device.status"]
    assert changes == [
        ("READY", "PROVISIONING"),
        ("PROVISIONING", "ERROR"),
        ("ERROR", "READY"),
        ("READY", "PROVISIONING"),
        ("PROVISIONING", "PROVISIONED"),
        ("PROVISIONED", "BLOCKED"),
        ("BLOCKED", "PROVISIONED"),
    ]
    kinds = [kind for kind, _ in told(good) if kind != "device.status"]
    assert kinds == ["device.defined", "command.failed", "device.deleted"]
    times = [event["at"] for event in good.events]
    assert times == sorted(times)
    assert times[0] > began.isoformat()[:23]
    for heard in good.heard:
        event = heard.event
        assert set(event) == {"id", "kind", "at", "tenantId", "deviceId", "data"}
        assert event["id"] == heard.headers["keyseed-event-id"] == str(UUID(event["id"]))
        assert (event["tenantId"], event["deviceId"]) == (str(device.tenant_id), str(device.id))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"])
        assert verified(secret, heard)
    assert len({event["id"] for event in good.events}) == len(good.events)
    assert not WebhookDelivery.objects.exists()


def _again(device: Device) -> dict[UUID, dict[str, object]]:
    """The secrets of the two commands that have some, as their owner sends them again."""
    given = {"preSharedKey": {"secret": cast.PSK}}
    given["clientPrivateKey"] = {"content": planted.private_key(), "password": planted.PASSWORD}
    found = Command.objects.filter(device_id=device.id, type__in=given, secrets=None)
    return {one.id: dict(given[one.type]) for one in found}


def _delete(device: Device) -> None:
    device_services.delete(device.tenant_id, device.id)


def test_a_failed_command_is_told_by_its_id_and_code_and_not_by_the_devices_words(good: Receiver) -> None:
    hook(good, "command.failed")
    device = cast.device(cast.owner())
    (command,) = device.add(CONFIG)
    exchange(device, -17)
    conversation.converse([device.get()])
    carrier.carry_out()
    data = {"commandId": str(command), "type": "config", "code": "DEVICE_ERROR", "detail": -17}
    assert told(good) == [("command.failed", data)]


def test_a_command_that_keyseed_gives_up_is_told_too(good: Receiver) -> None:
    hook(good, "command.failed", "device.status")
    device = cast.device(cast.owner(), {"config": {"note": "a" * 1_000}})
    conversation.converse([device.get(rxMaxSize=limits.RX_MIN)])
    carrier.carry_out()
    (failed, status) = told(good)
    assert (failed[1]["code"], failed[1]["detail"]) == ("TOO_LARGE", None)
    assert status == ("device.status", {"old": "READY", "new": "ERROR"})


def test_claims_are_told_and_whose_device_went_to_another_hears_of_it(
    good: Receiver, start: Callable[..., Receiver], settings: Settings
) -> None:
    theirs = start(receivers.says(OK))
    hook(good)
    hook(theirs, tenant=cast.owner("bob"))
    settings.KEYSEED_CLAIM_PROOF = "off"
    Tenant.objects.filter(name="bob").update(sandbox=True)
    one = modem()
    claiming.claim(cast.owner("bob").id, one.token, [], WHO)
    IdentityKey.objects.create(device_id=one.id, public_key=one.pem)
    claiming.claim(cast.owner().id, one.token, [], WHO)
    carrier.carry_out()
    assert told(good) == [("device.claimed", {"proof": "verified"})]
    assert told(theirs) == [("device.claimed", {"proof": "unproven"}), ("device.deleted", {})]


def test_only_what_was_asked_for_is_told_and_only_of_the_own_tenant(
    good: Receiver, start: Callable[..., Receiver]
) -> None:
    hook(good, "device.deleted")
    theirs = start(receivers.says(OK))
    hook(theirs, tenant=cast.owner("bob"))
    _delete(cast.device(cast.owner(), CONFIG))
    carrier.carry_out()
    assert told(good) == [("device.deleted", {})]
    assert theirs.heard == []


def test_no_body_and_no_row_holds_a_secret(good: Receiver) -> None:
    _, secret = hook(good)
    device = cast.device(cast.owner(), *planted.commands())
    exchange(device, None, 3)
    assert planted.found_in(planted.database()) == []
    assert secret not in planted.database()
    assert base64.b64encode(secret.encode()).decode() not in planted.database()
    carrier.carry_out()
    assert len(good.heard) >= 3
    for heard in good.heard:
        assert planted.found_in(heard.body) == []
        assert secret.encode() not in heard.body
        assert secret not in str(heard.headers)


def test_nothing_is_told_of_what_was_rolled_back(good: Receiver) -> None:
    hook(good)
    tenant = cast.owner()
    cast.device(tenant, serial_number="7")
    with pytest.raises(Refusal):
        cast.device(tenant, serial_number="7")
    carrier.carry_out()
    assert [kind for kind, _ in told(good)] == ["device.defined"]


@pytest.mark.parametrize("count", [1, 100])
def test_the_events_of_a_batch_cost_one_statement(good: Receiver, count: int) -> None:
    hook(good)
    hook(good, "device.status")
    devices = cast.fleet(cast.owner(), count, CONFIG)
    with CaptureQueriesContext(connection) as asked:
        conversation.converse([device.get() for device in devices])
    assert len(asked) == 10
    assert WebhookDelivery.objects.count() == 2 * count


def test_the_documents_lines_refuse_what_is_not_genuine(
    good: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = hook(good)
    cast.device(cast.owner())
    carrier.carry_out()
    (heard,) = good.heard
    assert verified(secret, heard)
    assert not verified(secret + "a", heard)
    assert not verified(secret, Heard(heard.head, heard.headers, heard.body + b" "))
    at = time.time()
    monkeypatch.setattr(time, "time", lambda: at + 301)
    assert not verified(secret, heard)


def test_the_document_names_every_kind_of_event() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [kind.value for kind in Kind]


# ---- how it is carried


def test_what_failed_is_sent_again_later_and_what_is_behind_it_waits(start: Callable[..., Receiver]) -> None:
    here = start(receivers.then(receivers.status(500), receivers.status(302), receivers.says(OK)))
    webhook, secret = hook(here, "device.defined")
    devices = [cast.device(cast.owner()) for _ in range(3)]
    for tries, seconds in ((1, 10), (2, 20)):
        carrier.carry_out()
        first, *behind = WebhookDelivery.objects.order_by("id")
        assert (first.tries, [one.tries for one in behind]) == (tries, [0, 0])
        assert abs(first.due_at - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=2)
        assert fresh(webhook).failing_since is not None
        carrier.carry_out()
        assert len(here.heard) == tries
        make_due()
    assert "redirects are not followed" in first.error
    carrier.carry_out()
    assert [event["deviceId"] for event in here.events] == [str(devices[n].id) for n in (0, 0, 0, 1, 2)]
    assert len({event["id"] for event in here.events}) == 3
    assert len({heard.body for heard in here.heard[:3]}) == 1
    assert all(verified(secret, heard) for heard in here.heard)
    assert fresh(webhook).failing_since is None


def test_tries_are_an_hour_apart_at_most(start: Callable[..., Receiver]) -> None:
    hook(start(receivers.status(500)), "device.defined")
    cast.device(cast.owner())
    WebhookDelivery.objects.update(tries=30_000)
    carrier.carry_out()
    assert WebhookDelivery.objects.get().due_at - timezone.now() < timedelta(hours=1, seconds=1)


def test_after_a_day_without_success_it_is_paused_and_goes_on_when_it_is_resumed(
    start: Callable[..., Receiver],
) -> None:
    here = start(receivers.then(*[receivers.status(500)] * 2, receivers.says(OK)))
    webhook, _ = hook(here, "device.defined")
    tenant = cast.owner()
    cast.device(tenant)
    carrier.carry_out()
    Webhook.objects.update(failing_since=timezone.now() - timedelta(hours=24, seconds=1))
    make_due()
    carrier.carry_out()
    paused = fresh(webhook)
    assert (webhooks.state(paused), paused.waiting) == ("paused", 1)  # type: ignore[attr-defined]
    assert "24 hours" in paused.pause_reason
    assert "It answered 500" in paused.pause_reason
    tenant.refresh_from_db()
    assert not tenant.has_webhooks
    cast.device(tenant)
    make_due()
    carrier.carry_out()
    assert (len(here.heard), WebhookDelivery.objects.count()) == (2, 1)
    webhooks.resume(tenant.id, webhook.id)
    carrier.carry_out()
    assert (len(here.heard), WebhookDelivery.objects.count()) == (3, 0)
    assert webhooks.state(fresh(webhook)) == "active"


def test_a_slow_receiver_holds_up_nobody_else_and_no_worker_for_long(
    start: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_client, "SECONDS", 2.0)
    monkeypatch.setattr(carrier, "RUN_SECONDS", 2.0)
    slow = [start(receivers.sleeps) for _ in range(10)]
    for here in slow:
        hook(here, "device.defined", tenant=cast.owner("bob"))
    cast.device(cast.owner("bob"))
    quick = start(receivers.says(OK))
    hook(quick, "device.defined")
    for _ in range(60):
        cast.device(cast.owner())
    began = time.monotonic()
    carrier.carry_out()
    assert time.monotonic() - began < 2 * carrier.RUN_SECONDS + 1
    assert len(quick.heard) == 60
    assert [event["deviceId"] for event in quick.events] == [
        str(id) for id in cast.owner().devices.order_by("claimed_at").values_list("id", flat=True)
    ]
    assert 3 <= sum(len(here.heard) for here in slow) <= 6
    monkeypatch.setattr(hook_client, "SECONDS", 0.3)
    for _ in range(3):
        make_due()
        carrier.carry_out()
    assert all(here.heard for here in slow)


def test_no_transaction_is_open_while_it_is_posted(start: Callable[..., Receiver]) -> None:
    """Whoever changes the webhook meanwhile does not wait."""
    changed: list[float] = []

    def change(stream: Any) -> None:
        time.sleep(0.5)
        stream.sendall(OK)

    here = start(change)
    webhook, _ = hook(here, "device.defined")
    cast.device(cast.owner())
    running = Thread(target=_in_thread, args=(carrier.carry_out,))
    running.start()
    here.wait_for(1)
    began = time.monotonic()
    webhooks.change(webhook.tenant_id, webhook.id, {"description": "meanwhile"})
    changed.append(time.monotonic() - began)
    running.join()
    assert changed[0] < 0.3
    assert not WebhookDelivery.objects.exists()


def _in_thread(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connection.close()


def test_a_webhook_deleted_meanwhile_costs_nothing(start: Callable[..., Receiver], good: Receiver) -> None:
    hook(good, "device.defined")
    doomed: list[Webhook] = []

    def delete(stream: Any) -> None:
        _in_thread(lambda: webhooks.delete(doomed[0].tenant_id, doomed[0].id))
        stream.sendall(b"HTTP/1.1 500 No\r\n\r\n")

    doomed.append(hook(start(delete), "device.defined")[0])
    cast.device(cast.owner())
    carrier.carry_out()
    assert len(good.heard) == 1
    assert not WebhookDelivery.objects.exists()


def test_two_carriers_at_once_send_each_event_once_and_in_order(start: Callable[..., Receiver]) -> None:
    here = start(receivers.says(OK))
    hook(here, "device.defined")
    devices = [str(cast.device(cast.owner()).id) for _ in range(80)]
    running = [Thread(target=_in_thread, args=(carrier.carry_out,)) for _ in range(3)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    carrier.carry_out()
    assert [event["deviceId"] for event in here.events] == devices


def test_too_many_that_wait_lose_the_oldest(good: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "WAITING_MOST", 5)
    one, _ = hook(good, "device.defined")
    hook(good, "device.deleted")
    devices = [str(cast.device(cast.owner()).id) for _ in range(8)]
    _delete(cast.device(cast.owner("bob")))
    carrier.trim()
    assert WebhookDelivery.objects.filter(webhook=one).count() == 5
    carrier.carry_out()
    assert [event["deviceId"] for event in good.events] == devices[3:]


def test_a_lost_field_key_is_told_and_costs_others_nothing(good: Receiver, settings: Settings) -> None:
    lost, _ = hook(good, "device.defined")
    Webhook.objects.filter(id=lost.id).update(secret="gAAAAA" + "a" * 90)
    hook(good, "device.defined")
    cast.device(cast.owner())
    carrier.carry_out()
    assert len(good.heard) == 1
    assert "KEYSEED_FIELD_KEYS" in WebhookDelivery.objects.get(webhook=lost).error
    secret = webhooks.rotate(lost.tenant_id, lost.id)
    make_due()
    carrier.carry_out()
    assert verified(secret, good.heard[1])


def test_after_a_rotation_both_secrets_sign_for_a_day(good: Receiver) -> None:
    webhook, old = hook(good)
    new = webhooks.rotate(webhook.tenant_id, webhook.id)
    cast.device(cast.owner())
    carrier.carry_out()
    assert verified(old, good.heard[0])
    assert verified(new, good.heard[0])
    assert webhooks.secrets_at(fresh(webhook), timezone.now() + timedelta(hours=25)) == [new]


def test_a_webhook_that_is_being_deleted_costs_no_batch(good: Receiver) -> None:
    """A batch that tells of something at that moment waits, and then does not find it."""
    webhook, _ = hook(good)
    device = cast.device(cast.owner(), CONFIG)
    held = Moment()

    def delete() -> None:
        with transaction.atomic():
            webhooks.delete(webhook.tenant_id, webhook.id)
            held.set()
            time.sleep(0.5)

    running = Thread(target=_in_thread, args=(delete,))
    running.start()
    held.wait()
    conversation.converse([device.get()])
    running.join()
    assert not Webhook.objects.exists()
    assert device.row.status == "PROVISIONING"


def test_a_deletion_waits_for_a_batch_that_tells_of_something(good: Receiver) -> None:
    webhook, _ = hook(good)
    told_it = Moment()

    def tell() -> None:
        with transaction.atomic():
            events.emit([Event(webhook.tenant_id, None, Kind.DEFINED)], timezone.now())
            told_it.set()
            time.sleep(0.5)

    running = Thread(target=_in_thread, args=(tell,))
    running.start()
    told_it.wait()
    webhooks.delete(webhook.tenant_id, webhook.id)
    running.join()
    assert not WebhookDelivery.objects.exists()


def test_the_body_is_the_same_json_however_the_database_kept_it(good: Receiver) -> None:
    hook(good)
    cast.device(cast.owner())
    carrier.carry_out()
    assert json.loads(good.heard[0].body)["kind"] == "device.defined"
    assert b", " not in good.heard[0].body
