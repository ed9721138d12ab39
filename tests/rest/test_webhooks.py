"""Webhooks over REST: made, changed, rotated, tested, resumed and deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from devices import webhooks
from tenants.models import AuditEntry, Tenant, Webhook, WebhookDelivery
from tests.rest.cast import CONFIG, Board, Cast, Person, unknown

HOOKS = "/v1/webhooks"
URL = "https://hooks.example.com/keyseed?team=pumps"


def made(person: Person, *kinds: str, url: str = URL) -> str:
    """The id of a new webhook."""
    answer = person.post(HOOKS, {"url": url, "events": list(kinds) or ["*"]})
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


def listens(person: Person) -> bool:
    return Tenant.objects.get(id=person.tenant.id).has_webhooks


def test_a_webhook_is_made_and_its_secret_shown_once(cast: Cast) -> None:
    body = {"url": URL, "events": ["device.status", "device.status"], "description": "for the dashboard"}
    answer = cast.admin.post(HOOKS, body, Idempotency_Key="k")
    assert answer.status == 201
    secret = answer.body.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 32
    shown = cast.viewer.get(f"{HOOKS}/{answer.body['id']}").body
    assert shown == answer.body
    assert {name: shown[name] for name in ("url", "events", "description", "state", "waiting")} == {
        "url": URL,
        "events": ["device.status"],
        "description": "for the dashboard",
        "state": "active",
        "waiting": 0,
    }
    assert cast.admin.post(HOOKS, body, Idempotency_Key="k").body == {**shown, "secretShown": True}
    assert cast.viewer.get(HOOKS).body["items"] == [shown]
    assert secret not in str(list(Webhook.objects.values()))


WRONG_BODIES: dict[str, tuple[dict[str, object], str]] = {
    "http": ({"url": "http://hooks.example.com/", "events": ["*"]}, "url"),
    "inside": ({"url": "https://10.0.0.1/", "events": ["*"]}, "url"),
    "user": ({"url": "https://a:b@hooks.example.com/", "events": ["*"]}, "url"),
    "port": ({"url": "https://hooks.example.com:25/", "events": ["*"]}, "url"),
    "long": ({"url": "https://hooks.example.com/" + "a" * 500, "events": ["*"]}, "url"),
    "number": ({"url": 7, "events": ["*"]}, "url"),
    "no url": ({"events": ["*"]}, "url"),
    "no events": ({"url": URL}, "events"),
    "empty events": ({"url": URL, "events": []}, "events"),
    "text": ({"url": URL, "events": "*"}, "events"),
    "many": ({"url": URL, "events": ["*"] * 100}, "events"),
    "null": ({"url": URL, "events": None}, "events"),
    "secret": ({"url": URL, "events": ["*"], "secret": "mine"}, "secret"),
    "description": ({"url": URL, "events": ["*"], "description": "a" * 201}, "description"),
}


@pytest.mark.parametrize(("body", "field"), WRONG_BODIES.values(), ids=list(WRONG_BODIES))
def test_what_does_not_hold_is_refused(cast: Cast, body: dict[str, object], field: str) -> None:
    answer = cast.admin.post(HOOKS, body)
    assert (answer.status, answer.fields) == (400, [field])
    assert not Webhook.objects.exists()
    hook = made(cast.admin)
    assert cast.admin.patch(f"{HOOKS}/{hook}", {field: body.get(field)}).status == 400


@pytest.mark.parametrize("kind", ["device.exploded", "webhook.test", "", "DEVICE.STATUS"])
def test_an_event_that_there_is_not_is_refused_by_name(cast: Cast, kind: str) -> None:
    answer = cast.admin.post(HOOKS, {"url": URL, "events": ["device.status", kind]})
    assert answer.status == 400
    assert "device.claimed" in answer.message


def test_an_own_network_is_allowed_by_the_operator(cast: Cast, settings: Settings) -> None:
    settings.KEYSEED_WEBHOOK_ALLOW = ["10.1.0.0/16"]
    made(cast.admin, url="https://10.1.2.3:8443/hook")
    assert cast.admin.post(HOOKS, {"url": "https://10.2.2.3/", "events": ["*"]}).status == 400


def test_a_tenant_has_ten_at_most(cast: Cast) -> None:
    for _ in range(10):
        hook = made(cast.admin)
    answer = cast.admin.post(HOOKS, {"url": URL, "events": ["*"]})
    assert (answer.status, answer.body["code"]) == (409, "TOO_MANY")
    made(cast.stranger)
    assert cast.admin.delete(f"{HOOKS}/{hook}").status == 204
    made(cast.admin)


def test_it_is_changed(cast: Cast) -> None:
    hook = made(cast.admin)
    body = {"url": "https://other.example.com/", "events": ["device.deleted"], "description": "new"}
    assert cast.admin.patch(f"{HOOKS}/{hook}", body).status == 200
    assert body.items() <= cast.viewer.get(f"{HOOKS}/{hook}").body.items()
    assert cast.admin.patch(f"{HOOKS}/{hook}", {}).status == 200
    assert body.items() <= cast.viewer.get(f"{HOOKS}/{hook}").body.items()


def test_the_tenant_knows_whether_anybody_listens(cast: Cast) -> None:
    assert not listens(cast.admin)
    one, two = made(cast.admin), made(cast.admin)
    assert listens(cast.admin)
    assert not listens(cast.stranger)
    webhooks.pause(cast.admin.tenant.id, Webhook.objects.get(id=one).id, "no more")
    assert listens(cast.admin)
    cast.admin.delete(f"{HOOKS}/{two}")
    assert not listens(cast.admin)
    cast.admin.post(f"{HOOKS}/{one}/resume")
    assert listens(cast.admin)
    cast.admin.delete(f"{HOOKS}/{one}")
    assert not listens(cast.admin)


def test_what_waits_is_shown_newest_first_with_its_error(cast: Cast) -> None:
    hook = made(cast.admin)
    device = cast.editor.device()
    cast.editor.commands(device, CONFIG)
    Board(device).pull()
    WebhookDelivery.objects.filter(kind="device.defined").update(tries=3, error="It answered 500.")
    (page,) = cast.viewer.pages(f"{HOOKS}/{hook}/deliveries")
    assert [(one["kind"], one["deviceId"], one["tries"]) for one in page] == [
        ("device.status", device, 0),
        ("device.defined", device, 3),
    ]
    assert page[1]["error"] == "It answered 500."
    assert [len(p) for p in cast.viewer.pages(f"{HOOKS}/{hook}/deliveries?pageLimit=1")] == [1, 1]
    assert cast.viewer.get(f"{HOOKS}/{hook}").body["waiting"] == 2


def test_a_test_goes_on_the_way_of_all_events_whatever_was_asked_for(cast: Cast) -> None:
    hook, other = made(cast.admin, "device.deleted"), made(cast.admin)
    answer = cast.admin.post(f"{HOOKS}/{hook}/test")
    assert answer.status == 202
    (waiting,) = cast.viewer.get(f"{HOOKS}/{hook}/deliveries").body["items"]
    assert (waiting["kind"], waiting["eventId"]) == ("webhook.test", answer.body["eventId"])
    assert waiting["deviceId"] is None
    assert cast.viewer.get(f"{HOOKS}/{other}/deliveries").body["items"] == []


def test_a_paused_one_hears_nothing_until_it_is_resumed(cast: Cast) -> None:
    hook = made(cast.admin)
    cast.editor.device()
    later = timezone.now() + timedelta(hours=1)
    WebhookDelivery.objects.update(due_at=later)
    Webhook.objects.update(failing_since=timezone.now())
    assert cast.viewer.get(f"{HOOKS}/{hook}").body["state"] == "failing"
    webhooks.pause(cast.admin.tenant.id, Webhook.objects.get().id, "It has taken nothing for 24 hours.")
    cast.editor.device()
    shown = cast.viewer.get(f"{HOOKS}/{hook}").body
    assert (shown["state"], shown["waiting"]) == ("paused", 1)
    assert shown["pauseReason"] == "It has taken nothing for 24 hours."
    assert shown["pausedAt"] is not None
    refused = cast.admin.post(f"{HOOKS}/{hook}/test")
    assert (refused.status, refused.body["code"]) == (409, "CONFLICT")
    resumed = cast.admin.post(f"{HOOKS}/{hook}/resume").body
    assert (resumed["state"], resumed["pausedAt"], resumed["failingSince"]) == ("active", None, None)
    assert WebhookDelivery.objects.get().due_at < later


def test_a_new_secret_is_shown_once_and_signs_beside_the_old_one(cast: Cast) -> None:
    old = cast.admin.post(HOOKS, {"url": URL, "events": ["*"]}).body
    new = cast.admin.post(f"{HOOKS}/{old['id']}/rotate-secret").body["secret"]
    held = Webhook.objects.get()
    assert webhooks.secrets_at(held, timezone.now()) == [new, old["secret"]]
    assert webhooks.secrets_at(held, timezone.now() + webhooks.OVERLAP) == [new]
    assert "secret" not in cast.viewer.get(f"{HOOKS}/{old['id']}").body


def test_who_did_what_is_in_the_audit_log_without_the_urls_path(cast: Cast) -> None:
    hook = made(cast.admin)
    cast.admin.patch(f"{HOOKS}/{hook}", {"description": "x"})
    for verb in ("test", "rotate-secret", "resume"):
        cast.admin.post(f"{HOOKS}/{hook}/{verb}")
    cast.admin.delete(f"{HOOKS}/{hook}")
    entries = AuditEntry.objects.filter(object_kind="webhook", object_id=hook).order_by("id")
    done = [entry.action.removeprefix("webhook.") for entry in entries]
    assert done == ["made", "changed", "tested", "secret-rotated", "resumed", "deleted"]
    assert {entry.tenant_id for entry in entries} == {cast.admin.tenant.id}
    assert "team=pumps" not in str([entry.data for entry in entries])


@pytest.mark.parametrize("verb", ["test", "resume", "rotate-secret"])
def test_an_action_takes_no_fields(cast: Cast, verb: str) -> None:
    assert cast.admin.post(f"{HOOKS}/{made(cast.admin)}/{verb}", {"a": 1}).status == 400
    assert cast.admin.post(f"{HOOKS}/{unknown()}/{verb}").status == 404


def test_deleting_takes_what_waits_along(cast: Cast) -> None:
    hook = made(cast.admin)
    cast.editor.device()
    assert cast.admin.delete(f"{HOOKS}/{hook}").status == 204
    assert not WebhookDelivery.objects.exists()
    assert cast.admin.delete(f"{HOOKS}/{hook}").status == 404
