"""The smaller pages: tenants, operators, groups, and what must still happen outside."""

from django.contrib.auth.models import Group, User
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
