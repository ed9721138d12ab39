"""The smaller pages: tenants, operators, groups, and what must still happen outside."""

from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from devices.models import OutboxRow
from tenants.models import Tenant
from tests.admin import people
from tests.admin.people import Operator

TENANTS = "/admin/tenants/tenant/"
OUTBOX = "/admin/devices/outboxrow/"


def test_a_tenant_is_added_and_renamed(anna: Operator) -> None:
    assert anna.post(f"{TENANTS}add/", {"name": "here"}).status_code == 302
    tenant = Tenant.objects.get()
    assert anna.post(f"{TENANTS}{tenant.id}/change/", {"name": "there"}).status_code == 302
    assert "there" in people.text(anna.see(TENANTS))


def test_two_tenants_have_two_names(anna: Operator) -> None:
    people.tenant("here")
    assert "already exists" in anna.post(f"{TENANTS}add/", {"name": "here"}).content.decode()
    assert Tenant.objects.count() == 1


def test_a_tenant_has_its_options(anna: Operator) -> None:
    tenant = people.tenant("here")
    fields = {"name": "here", "sandbox": "on", "jwt_without_expiry": "on", "jwt_audience_required": "on"}
    assert anna.post(f"{TENANTS}{tenant.id}/change/", fields).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.sandbox, tenant.jwt_without_expiry, tenant.jwt_audience_required) == (True, True, True)


@pytest.mark.parametrize("given", [{"KEYSEED_CLAIM_PROOF": "off"}, {"KEYSEED_UNPROVEN_SECRETS": "allow"}])
def test_a_second_tenant_is_refused_where_settings_are_for_one(anna: Operator, given: dict[str, str]) -> None:
    with override_settings(**given):
        assert anna.post(f"{TENANTS}add/", {"name": "first"}).status_code == 302
        answer = anna.post(f"{TENANTS}add/", {"name": "second"})
        assert "is for one tenant" in answer.content.decode()
        first = Tenant.objects.get()
        assert anna.post(f"{TENANTS}{first.id}/change/", {"name": "renamed"}).status_code == 302


def test_a_sandbox_may_be_second_and_stays_one(anna: Operator) -> None:
    people.tenant("here")
    with override_settings(KEYSEED_CLAIM_PROOF="first-use"):
        assert anna.post(f"{TENANTS}add/", {"name": "try", "sandbox": "on"}).status_code == 302
        sandbox = Tenant.objects.get(name="try")
        answer = anna.post(f"{TENANTS}{sandbox.id}/change/", {"name": "try"})
        assert "is for one tenant" in answer.content.decode()
        sandbox.refresh_from_db()
        assert sandbox.sandbox


@pytest.mark.parametrize(
    "given", [{"KEYSEED_CLAIM_PROOF": "first-use"}, {"KEYSEED_UNPROVEN_SECRETS": "allow"}]
)
@pytest.mark.django_db
def test_bootstrap_refuses_a_second_tenant_as_well(given: dict[str, str]) -> None:
    with override_settings(**given):
        call_command("bootstrap", "--tenant", "first", "--api-key", "k" * 32, stdout=StringIO())
        call_command("bootstrap", "--tenant", "first", "--api-key", "k" * 32, stdout=StringIO())
        with pytest.raises(CommandError, match="is for one tenant"):
            call_command("bootstrap", "--tenant", "second", stdout=StringIO())
    assert [tenant.name for tenant in Tenant.objects.all()] == ["first"]


def test_a_tenant_is_never_deleted_here(anna: Operator) -> None:
    device = people.device()
    anna.see(f"{TENANTS}{device.tenant_id}/delete/", status=403)
    assert '<option value="delete_selected">' not in anna.see(TENANTS)


def test_tenants_are_completed_while_typing(anna: Operator) -> None:
    for name in ("pumps", "boilers"):
        people.tenant(name)
    asked = "app_label=devices&model_name=device&field_name=tenant&term="
    for term in ("pum", "pu%00m"):
        answer = anna.client.get(f"/admin/autocomplete/?{asked}{term}")
        assert [found["text"] for found in answer.json()["results"]] == ["pumps"]


def test_the_pages_of_operators_and_groups_open(anna: Operator) -> None:
    group = Group.objects.create(name="night shift")
    for path in ("user/", "user/add/", f"user/{anna.user.id}/change/", f"user/{anna.user.id}/password/"):
        anna.see(f"/admin/auth/{path}")
    for path in ("group/", "group/add/", f"group/{group.id}/change/"):
        anna.see(f"/admin/auth/{path}")


def test_an_operator_is_added_with_a_password(anna: Operator) -> None:
    typed = "a long enough passphrase"
    fields = {"username": "otto", "usable_password": "true", "password1": typed, "password2": typed}
    assert anna.post("/admin/auth/user/add/", fields).status_code == 302
    assert User.objects.get(username="otto").check_password(typed)


def test_a_change_of_an_operator_keeps_the_password(anna: Operator) -> None:
    otto = people.operator("otto").user
    otto.set_password("a long enough passphrase")
    otto.save()
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    fields = {"username": "otto", "first_name": "Otto", "is_staff": "on", "is_active": "on", **joined}
    assert anna.post(f"/admin/auth/user/{otto.id}/change/", fields).status_code == 302
    otto.refresh_from_db()
    assert otto.first_name == "Otto"
    assert otto.check_password("a long enough passphrase")


def test_the_first_page_says_when_something_is_stuck(anna: Operator) -> None:
    device = people.device()
    now = timezone.now()
    row = OutboxRow.objects.create(kind="kick", device_id=device.id, created_at=now, due_at=now)
    assert "tried again" not in anna.see("/admin/")
    OutboxRow.objects.filter(id=row.id).update(tries=3, error="the broker does not answer")
    OutboxRow.objects.create(kind="credentials", created_at=now, due_at=now)
    assert "failed and are tried again: 1. See why." in people.text(anna.see("/admin/"))
    listed = people.text(anna.see(f"{OUTBOX}?tries=failed"))
    assert "the broker does not answer" in listed
    assert str(device.id) in listed
    assert "the installation" not in listed


def test_the_outbox_is_to_look_at_only(anna: Operator) -> None:
    now = timezone.now()
    row = OutboxRow.objects.create(kind="credentials", created_at=now, due_at=now)
    assert "the installation" in people.text(anna.see(OUTBOX))
    anna.see(f"{OUTBOX}add/", status=403)
    anna.see(f"{OUTBOX}{row.id}/delete/", status=403)
    assert anna.post(f"{OUTBOX}{row.id}/change/", {"tries": "9"}).status_code == 403
    assert OutboxRow.objects.get().tries == 0
