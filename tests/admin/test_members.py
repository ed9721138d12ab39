"""What a member may do in the admin follows his role in the tenant that a thing belongs to."""

import re

import pytest
from django.contrib.auth.models import User

from commands.models import Rule
from devices.models import Credential, Device
from tenants.models import APIKey, Member, Tenant
from tenants.roles import Role
from tests.admin import people
from tests.admin.people import DEVICES, Operator
from tests.rest.cast import CONFIG, person

KEYS = "/admin/tenants/apikey/"
MEMBERS = "/admin/tenants/member/"
RULES = "/admin/commands/rule/"


def anna(role: Role, *more: tuple[Tenant, Role]) -> Operator:
    return people.member("anna", people.tenant(), role, *more)


def rule() -> Rule:
    owner = person(people.tenant(), Role.OWNER)
    body = {"name": "all", "tags": ["t"], "commands": [{"request": CONFIG}]}
    return Rule.objects.get(id=owner.post("/v1/provisioning-rules", body).body["id"])


def test_a_viewer_reads_and_has_no_button(db: None) -> None:
    device, who = people.failed(), anna(Role.VIEWER)
    page = who.see(people.page(device))
    for there in ("3 config", "sector is protected", "Credentials", "Timeline"):
        assert there in people.text(page)
    for button in ("/do/", "/credentials/", 'name="_save"', "/delete/"):
        assert button not in page
    assert who.post(people.do(device, "block")).status_code == 403
    assert who.post(f"{DEVICES}{device.id}/credentials/new-password/", {"overlap": "0"}).status_code == 403
    assert who.post(people.page(device), {"name": "mine"}).status_code == 403
    assert not Credential.objects.exists()


def test_an_editor_works_on_devices_and_commands_and_not_on_rules_or_keys(db: None) -> None:
    device, who = people.failed(), anna(Role.EDITOR)
    assert "is blocked" in str(who.press(people.do(device, "block")))
    who.post(f"{DEVICES}{device.id}/credentials/new-password/", {"overlap": "0"})
    assert Credential.objects.filter(device=device).count() == 1
    given = {"tenant": people.tenant().id, "name": "new", "serial_number": "N-1"}
    assert who.post(f"{DEVICES}add/", given).status_code == 302
    assert Device.objects.filter(name="new", tenant__name="here").exists()
    made = rule()
    who.see(f"{RULES}{made.id}/change/")
    assert who.post(f"{RULES}{made.id}/switch/activate/").status_code == 403
    who.see(KEYS, status=403)
    who.see(MEMBERS, status=403)


def test_an_admin_works_on_rules_and_on_keys_up_to_his_role(db: None) -> None:
    who, made = anna(Role.ADMIN), rule()
    assert "is active" in str(who.press(f"{RULES}{made.id}/switch/activate/"))
    given = {"tenant": people.tenant().id, "name": "ci", "role": "admin"}
    assert "ks_" in who.post(f"{KEYS}add/", given).content.decode()
    higher = who.post(f"{KEYS}add/", {**given, "role": "owner"})
    assert "yours has the role admin" in str(people.said(higher))
    owners = APIKey.objects.get(role="owner")
    assert "yours has the role admin" in str(people.said(who.post(f"{KEYS}{owners.id}/revoke/")))
    assert APIKey.objects.filter(revoked_at=None).count() == 2
    who.see(MEMBERS)
    assert who.post(f"{MEMBERS}add/", {**given, "user_name": "me"}).status_code == 403
    assert who.post(f"/admin/tenants/tenant/{people.tenant().id}/change/", {"name": "x"}).status_code == 403


def test_an_owner_makes_changes_and_removes_members(db: None) -> None:
    who = anna(Role.OWNER)
    given = {"tenant": people.tenant().id, "user_name": "mia", "role": "viewer"}
    page = people.text(who.post(f"{MEMBERS}add/", given).content.decode())
    assert "User name mia" in page
    made = Member.objects.get(user__username="mia")
    password = re.search(r"sign-in: (\S{24})\b", page)
    assert password is not None
    assert made.user.check_password(password[1])
    assert password[1] not in who.see(f"{MEMBERS}{made.id}/change/")
    assert who.post(f"{MEMBERS}{made.id}/change/", {"role": "editor"}).status_code == 302
    made.refresh_from_db()
    assert made.role == "editor"
    assert who.post(f"{MEMBERS}{made.id}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.get(username="mia").is_staff
    assert "There is a user mia" in str(people.said(who.post(f"{MEMBERS}add/", given)))
    assert who.post(f"{MEMBERS}add/", {**given, "existing": "on"}).status_code == 302
    assert User.objects.get(username="mia").is_staff


def test_an_owner_renames_the_tenant_and_makes_none(db: None) -> None:
    who = anna(Role.OWNER)
    at = f"/admin/tenants/tenant/{people.tenant().id}/change/"
    assert who.post(at, {"name": "renamed"}).status_code == 302
    assert Tenant.objects.get().name == "renamed"
    assert who.post("/admin/tenants/tenant/add/", {"name": "mine"}).status_code == 403


@pytest.mark.parametrize("action", ["block", "delete_selected"])
def test_the_role_counts_in_each_tenant_by_itself(db: None, action: str) -> None:
    there = people.tenant("there")
    who = anna(Role.EDITOR, (there, Role.VIEWER))
    ours, theirs = people.device("1"), people.device("2", of="there")
    assert all(str(one.id) in who.see(DEVICES) for one in (ours, theirs))
    assert who.post(people.do(theirs, "block")).status_code == 403
    who.see(people.do(ours, "block"))
    assert "/do/" in who.see(people.page(ours))
    assert "/do/" not in who.see(people.page(theirs))
    said = str(people.said(who.post(f"{DEVICES}bulk/{action}/", {"devices": f"{ours.id},{theirs.id}"})))
    assert "done for 1 device" in said
    assert "Your role in the device's tenant" in said
    left = {one.id: one.blocked for one in Device.objects.all()}
    assert left == {theirs.id: False, **({ours.id: True} if action == "block" else {})}
    into = {"tenant": there.id, "name": "new", "serial_number": "N-1"}
    assert "Select a valid choice" in who.post(f"{DEVICES}add/", into).content.decode()


def test_djangos_permissions_say_nothing_of_a_member(db: None) -> None:
    who, device = anna(Role.VIEWER), people.device("2", of="there")
    who.user.user_permissions.set(people.every_permission())
    assert str(device.id) not in who.see(DEVICES)
    assert who.post(people.do(people.device("1"), "block")).status_code == 403


def test_who_is_removed_sees_nothing_at_once(db: None) -> None:
    who, device = anna(Role.OWNER), people.device()
    who.see(people.page(device))
    Member.objects.all().delete()
    who.see(people.page(device), status=403)
    who.see(DEVICES, status=403)


def test_a_superuser_with_a_membership_stays_an_operator(db: None) -> None:
    boss = people.operator()
    Member.objects.create(user=boss.user, tenant=people.tenant(), role="viewer")
    device = people.device(of="there")
    assert str(device.id) in boss.see(DEVICES)


def test_numbers_on_the_first_page_are_of_ones_own(db: None) -> None:
    people.device("1"), people.device("2", of="there"), people.device("3", of="there")
    assert "READY 1" in people.text(anna(Role.VIEWER).see("/admin/"))
    assert "READY 3" in people.text(people.operator("boss").see("/admin/"))
