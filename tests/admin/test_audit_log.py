"""The audit log in the admin: who did what, and that nobody writes in it; sign-ins are in it."""

import pytest
from django.contrib.auth.models import User

from devices.models import IdentityKey
from tenants import acting, audit
from tenants.models import AuditEntry, Member
from tests.admin import people
from tests.admin.people import DEVICES, Operator

LOG = "/admin/tenants/auditentry/"
LOGIN = "/admin/login/"


def newest(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("id")


def test_what_an_operator_does_has_their_name(anna: Operator) -> None:
    device = people.device()
    anna.press(people.do(device, "block"))
    entry = newest("device.blocked")
    assert (entry.actor_kind, entry.actor_id, entry.actor) == ("operator", str(anna.user.pk), "anna")
    assert (entry.tenant_id, entry.object_id, entry.address) == (
        device.tenant_id,
        str(device.id),
        "127.0.0.1",
    )
    assert acting.current() == acting.SYSTEM


def test_a_member_acts_as_one(db: None) -> None:
    user = User.objects.create(username="mia", is_staff=True)
    assert acting.of_user(user).kind == "operator"
    Member.objects.create(user=user, tenant=people.tenant(), role="viewer")
    found = acting.of_user(user)
    assert (found.kind, found.tenant_id) == ("member", people.tenant().id)
    Member.objects.create(user=user, tenant=people.tenant("there"), role="viewer")
    assert (acting.of_user(user).kind, acting.of_user(user).tenant_id) == ("member", None)


def test_bulk_changes_are_told_device_by_device(anna: Operator) -> None:
    devices = [people.device(f"SN-{number}") for number in range(3)]
    anna.post(f"{DEVICES}bulk/delete_selected/", {"devices": ",".join(str(device.id) for device in devices)})
    found = AuditEntry.objects.filter(action="device.unclaimed")
    assert set(found.values_list("object_id", "actor")) == {(str(device.id), "anna") for device in devices}


def test_tenants_people_groups_and_keys_are_told(anna: Operator) -> None:
    anna.post("/admin/tenants/tenant/add/", {"name": "here", "sandbox": "on"})
    assert newest("tenant.made").data == {"name": "here", "sandbox": True}
    tenant = people.tenant()
    anna.post(f"/admin/tenants/tenant/{tenant.id}/change/", {"name": "there", "sandbox": "on"})
    entry = newest("tenant.changed")
    assert (entry.data, entry.tenant_id, entry.object_id) == ({"name": "there"}, tenant.id, str(tenant.id))
    typed = "a long enough passphrase"
    fields = {"username": "otto", "usable_password": "true", "password1": typed, "password2": typed}
    anna.post("/admin/auth/user/add/", fields)
    otto = User.objects.get(username="otto")
    assert (newest("user.added").object_id, newest("user.added").data) == (
        str(otto.pk),
        {"name": "otto"},
    )
    again = {"usable_password": "true", "password1": f"{typed} 2", "password2": f"{typed} 2"}
    assert anna.post(f"/admin/auth/user/{otto.pk}/password/", again).status_code == 302
    assert newest("user.changed").data == {"name": "otto", "fields": ["password"]}
    anna.post(f"/admin/auth/user/{otto.pk}/delete/", {"post": "yes"})
    assert newest("user.deleted").object_id == str(otto.pk)
    anna.post("/admin/auth/group/add/", {"name": "night shift"})
    assert newest("group.added").data == {"name": "night shift"}
    anna.post("/admin/tenants/apikey/add/", {"tenant": str(tenant.id), "name": "ci", "role": "viewer"})
    assert newest("api-key.made").data == {"name": "ci", "role": "viewer", "expiresAt": None}
    assert typed not in str(list(AuditEntry.objects.values()))


def test_identity_keys_are_told(anna: Operator) -> None:
    device = people.device()
    anna.post(
        "/admin/devices/identitykey/add/", {"device_id": str(device.id), "public_key": people.public_key()}
    )
    assert newest("identity-keys.imported").object_id == str(device.id)
    anna.post(f"/admin/devices/identitykey/{IdentityKey.objects.get().pk}/delete/", {"post": "yes"})
    entry = newest("identity-key.removed")
    assert (entry.object_id, entry.actor, IdentityKey.objects.count()) == (str(device.id), "anna", 0)


# ---- sign-ins


@pytest.fixture
def otto(db: None) -> User:
    return User.objects.create_user("otto", password="a long enough passphrase", is_staff=True)


def sign_in(name: str, password: str) -> None:
    people.browser().post(LOGIN, {"username": name, "password": password})


def test_a_sign_in_is_told(otto: User) -> None:
    sign_in("otto", "a long enough passphrase")
    entry = newest("user.signed-in")
    assert (entry.actor_kind, entry.actor_id, entry.actor) == ("operator", str(otto.pk), "otto")
    assert (entry.address, entry.object_id) == ("127.0.0.1", str(otto.pk))


def test_a_sign_in_that_failed_is_told_and_names_whom_it_was_for(otto: User) -> None:
    sign_in("otto", "wrong")
    entry = newest("user.sign-in-failed")
    assert (entry.actor_kind, entry.address) == ("system", "127.0.0.1")
    assert (entry.object_id, entry.data) == (str(otto.pk), {"name": "otto"})


@pytest.mark.parametrize("name", ["my own passphrase", "x" * 9999, "o\ufffdtto"])
def test_a_name_that_nobody_has_is_not_kept_since_it_may_be_a_password(otto: User, name: str) -> None:
    sign_in(name, "wrong")
    entry = newest("user.sign-in-failed")
    assert (entry.object_id, entry.data) == ("", {"name": "unknown"})


def test_a_sign_in_of_a_member_is_in_the_tenants_log(otto: User) -> None:
    Member.objects.create(user=otto, tenant=people.tenant(), role="viewer")
    sign_in("otto", "wrong")
    sign_in("otto", "a long enough passphrase")
    for action in ("user.sign-in-failed", "user.signed-in"):
        assert newest(action).tenant_id == people.tenant().id


def test_whose_password_is_set_is_told_and_a_sign_in_sets_none(otto: User) -> None:
    assert newest("user.added").object_id == str(otto.pk)
    browser = people.browser()
    browser.post(LOGIN, {"username": "otto", "password": "a long enough passphrase"})
    assert not AuditEntry.objects.filter(action="user.password-set").exists()
    typed = {"new_password1": "another long passphrase", "new_password2": "another long passphrase"}
    browser.post("/admin/password_change/", {"old_password": "a long enough passphrase", **typed})
    entry = newest("user.password-set")
    assert (entry.actor, entry.data) == ("otto", {"name": "otto"})


# ---- the pages


def test_the_log_is_read_and_found_by_object_actor_and_action(anna: Operator) -> None:
    first, second = people.device("SN-1"), people.device("SN-2", of="there")
    anna.press(people.do(first, "block"))
    audit.seal_all()
    shown = people.text(anna.see(LOG))
    for there in ("anna", "operator", "127.0.0.1", "device.blocked", str(first.id), str(second.id)):
        assert there in shown
    found = people.text(anna.see(f"{LOG}?q={str(first.id).upper()}"))
    assert "device.blocked" in found
    assert str(second.id) not in found
    assert "device.defined" not in people.text(anna.see(f"{LOG}?action=device.blocked"))
    assert "device.defined" not in people.text(anna.see(f"{LOG}?actor=anna"))
    assert "device.defined" not in people.text(anna.see(f"{LOG}?kind=operator"))
    assert "user.signed-in" in people.text(anna.see(f"{LOG}?q={anna.user.pk}"))
    assert "device." not in people.text(anna.see(f"{LOG}?q=nothing"))
    page = people.text(anna.see(f"{LOG}{newest('device.blocked').pk}/change/"))
    for there in ("here", "anna", str(anna.user.pk), newest("device.blocked").digest):
        assert there in page


def test_nobody_writes_in_it(anna: Operator) -> None:
    people.device()
    entry = newest("device.defined")
    anna.see(f"{LOG}add/", status=403)
    anna.see(f"{LOG}{entry.pk}/delete/", status=403)
    assert anna.post(f"{LOG}{entry.pk}/change/", {"actor": "nobody"}).status_code == 403
    entry.refresh_from_db()
    assert entry.actor == "Keyseed"


def test_it_needs_its_permission(guest: Operator) -> None:
    guest.see(LOG, status=403)
    people.operator("otto", "tenants.view_auditentry").see(LOG)


def test_a_member_sees_the_own_tenants_entries_only(db: None) -> None:
    ours, theirs = people.device("SN-1"), people.device("SN-2", of="there")
    mia = people.operator("mia", "devices.view_device")
    mia.user.user_permissions.clear()
    Member.objects.create(user=mia.user, tenant=people.tenant(), role="admin")
    shown = people.text(mia.see(LOG))
    assert str(ours.id) in shown
    assert str(theirs.id) not in shown
    assert str(theirs.id) not in people.text(mia.see(f"{LOG}?q={ours.id}"))
    found = people.text(mia.see(f"{LOG}?q={theirs.id}"))
    assert "device.defined" not in found
