"""Django's permissions decide what an operator sees and may do: no button without one, and no post either."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from commands.models import Command
from devices.models import Credential, Device
from tenants.models import APIKey
from tests.admin import people
from tests.admin.people import DEVICES, Operator

Address = Callable[[Device], str]


def _command(what: str) -> Address:
    return lambda device: people.repair(device, people.command(device, "finished").id, what)


def _device(what: str) -> Address:
    return lambda device: people.do(device, what)


def _bulk(what: str) -> Address:
    return lambda _: f"{DEVICES}bulk/{what}/"


ADDRESSES: dict[str, tuple[str, Address]] = {
    "block": ("devices.change_device", _device("block")),
    "unblock": ("devices.change_device", _device("unblock")),
    "reset the run": ("commands.change_command", _device("reset-run")),
    "reset": ("commands.change_command", _command("reset")),
    "skip": ("commands.change_command", _command("skip")),
    "delete": ("commands.delete_command", _command("delete")),
    "new password": ("devices.add_credential", lambda d: f"{DEVICES}{d.id}/credentials/new-password/"),
    "revoke": ("devices.delete_credential", lambda d: f"{DEVICES}{d.id}/credentials/{uuid4()}/revoke/"),
    "bulk block": ("devices.change_device", _bulk("block")),
    "bulk unblock": ("devices.change_device", _bulk("unblock")),
    "bulk reset": ("commands.change_command", _bulk("reset_run")),
    "bulk skip": ("commands.change_command", _bulk("skip_first_failed")),
    "bulk delete": ("devices.delete_device", _bulk("delete_selected")),
    "delete the device": ("devices.delete_device", lambda d: f"{DEVICES}{d.id}/delete/"),
}


@pytest.mark.parametrize("address", [a for _, a in ADDRESSES.values()], ids=list(ADDRESSES))
def test_who_may_only_look_is_refused(guest: Operator, address: Address) -> None:
    device = people.failed()
    path = address(device)
    before = list(Command.objects.order_by("id").values()), list(Device.objects.values())
    assert guest.client.get(path).status_code == 403
    answer = guest.post(path, {"devices": str(device.id), "overlap": "0", "post": "yes"})
    assert answer.status_code == 403
    assert (list(Command.objects.order_by("id").values()), list(Device.objects.values())) == before
    assert not Credential.objects.exists()


@pytest.mark.parametrize("name", list(ADDRESSES))
def test_the_one_permission_is_enough(db: None, name: str) -> None:
    permission, address = ADDRESSES[name]
    device = people.device("SN-17", *people.WORK)
    otto = people.operator("otto", "devices.view_device", "commands.view_command", permission)
    answer = otto.post(address(device), {"devices": str(device.id), "overlap": "0", "post": "yes"})
    assert answer.status_code in (200, 302, 404), answer.status_code
    assert (answer.status_code == 404) == (name == "revoke")


def test_who_may_only_look_sees_everything_and_no_button(guest: Operator) -> None:
    device = people.failed()
    shown = people.text(guest.see(people.page(device)))
    for there in ("3 config", "sector is protected", "Credentials", "Timeline", "Command 3 (config) failed"):
        assert there in shown
    page = guest.see(people.page(device))
    for button in ("/do/", "/commands/", "/credentials/", "/delete/", 'name="_save"'):
        assert button not in page, button
    assert '<option value="block">' not in guest.see(DEVICES)


def test_who_may_only_look_cannot_save(guest: Operator) -> None:
    device = people.device("SN-17")
    assert guest.post(people.page(device), {"name": "mine", "serial_number": "SN-17"}).status_code == 403
    assert guest.post(f"{DEVICES}add/", {"name": "mine", "tenant": device.tenant_id}).status_code == 403
    assert [device.name for device in Device.objects.all()] == [""]


def test_tags_are_shown_to_who_cannot_change_them(guest: Operator) -> None:
    device = people.device("SN-17", tags=["pumps", "north"])
    assert "Tags north, pumps" in people.text(guest.see(people.page(device)))


def test_commands_credentials_and_timeline_need_their_own_permission(db: None) -> None:
    device = people.failed()
    otto = people.operator("otto", "devices.view_device")
    shown = people.text(otto.see(people.page(device)))
    assert "SN-17 ERROR" in shown
    for hidden in ("3 config", "sector is protected", "Credentials", "Timeline", "Commands"):
        assert hidden not in shown


def test_without_a_permission_for_devices_there_is_no_page(db: None) -> None:
    device = people.device()
    otto = people.operator("otto", "tenants.view_tenant")
    otto.see(DEVICES, status=403)
    otto.see(people.page(device), status=403)
    first = people.text(otto.see("/admin/"))
    assert "READY" not in first
    assert "Devices" not in first


def test_a_permission_to_repair_without_one_to_see_devices_opens_nothing(db: None) -> None:
    device = people.failed()
    otto = people.operator("otto", "commands.change_command", "devices.change_credential")
    assert otto.post(_command("skip")(device)).status_code == 403
    assert otto.post(people.do(device, "reset-run")).status_code == 403


def test_a_stranger_is_asked_to_sign_in(db: None) -> None:
    device = people.failed()
    for path in ["/admin/", DEVICES, people.page(device), *(a(device) for _, a in ADDRESSES.values())]:
        answer = people.browser().post(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/")


def test_who_signs_in_at_the_sign_in_page_itself_comes_to_the_first_page(db: None) -> None:
    User.objects.create_superuser("otto", password="a password of a person")
    signed_in = people.browser().post(
        "/admin/login/", {"username": "otto", "password": "a password of a person"}
    )
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/admin/")


def test_a_post_from_elsewhere_is_refused(anna: Operator) -> None:
    device = people.device()
    careful = people.browser(enforce_csrf_checks=True)
    careful.force_login(anna.user)
    assert careful.post(people.do(device, "block")).status_code == 403
    assert people.status(device) == "READY"


def test_api_keys_need_their_permissions(guest: Operator) -> None:
    owner = people.tenant()
    key = APIKey.objects.create(tenant=owner, name="ci", role="viewer", digest="d" * 64)
    for path in (
        "/admin/tenants/apikey/",
        "/admin/tenants/apikey/add/",
        f"/admin/tenants/apikey/{key.id}/revoke/",
    ):
        guest.see(path, status=403)
    otto = people.operator("otto", "tenants.view_apikey")
    otto.see("/admin/tenants/apikey/")
    assert "Revoke this key" not in otto.see(f"/admin/tenants/apikey/{key.id}/change/")
    assert otto.post(f"/admin/tenants/apikey/{key.id}/revoke/").status_code == 403
