"""Webhooks in the admin: how they do, paused, resumed and deleted; their secrets are nowhere."""

from __future__ import annotations

from django.utils import timezone

from devices import webhooks
from tenants.models import Tenant, Webhook, WebhookDelivery
from tests.admin import people
from tests.admin.people import Operator

LIST = "/admin/tenants/webhook/"


def hook(of: str = "here") -> tuple[Webhook, str]:
    return webhooks.make(people.tenant(of).id, "https://hooks.example.com/x", ["*"], "for the dashboard")


def test_a_list_says_how_they_do(anna: Operator) -> None:
    hook()
    people.device()
    shown = people.text(anna.see(LIST))
    for there in ("https://hooks.example.com/x", "here", "active"):
        assert there in shown
    Webhook.objects.update(failing_since=timezone.now())
    assert "failing" in people.text(anna.see(LIST))


def test_a_page_shows_what_waits_and_no_secret(anna: Operator) -> None:
    made, secret = hook()
    people.device()
    WebhookDelivery.objects.update(tries=2, error="It answered 500; only 2xx means that it took the event.")
    page = anna.see(f"{LIST}{made.id}/change/")
    assert "Waiting: 1" in people.text(page)
    assert "It answered 500" in page
    assert secret not in page
    assert Webhook.objects.get().secret not in page


def test_it_is_paused_and_resumed(anna: Operator) -> None:
    made, _ = hook()
    (said,) = anna.press(f"{LIST}{made.id}/do/pause/")
    assert said == "success: The webhook is paused."
    page = people.text(anna.see(f"{LIST}{made.id}/change/"))
    assert "Paused by member:anna." in page
    assert not Tenant.objects.get().has_webhooks
    (said,) = anna.press(f"{LIST}{made.id}/do/resume/")
    assert said == "success: The webhook is active."
    assert Tenant.objects.get().has_webhooks
    anna.see(f"{LIST}{made.id}/do/explode/", status=404)


def test_it_is_deleted_with_what_waits(anna: Operator) -> None:
    made, _ = hook()
    people.device()
    assert anna.post(f"{LIST}{made.id}/delete/", {"post": "yes"}).status_code == 302
    assert not Webhook.objects.exists()
    assert not Tenant.objects.get().has_webhooks


def test_it_is_made_elsewhere(anna: Operator) -> None:
    anna.see(f"{LIST}add/", status=403)


def test_who_may_only_look_has_no_buttons(db: None) -> None:
    made, _ = hook()
    otto = people.operator("otto", "tenants.view_webhook")
    assert "/do/" not in otto.see(f"{LIST}{made.id}/change/")
    assert otto.post(f"{LIST}{made.id}/do/pause/").status_code == 403
    assert Webhook.objects.get().paused_at is None
