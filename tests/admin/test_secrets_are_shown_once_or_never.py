"""A new password or key is in one answer and nowhere else; hashes and sealed secrets are on no page."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.http import HttpResponse

from commands.models import Command
from devices import passwords
from devices.models import Credential, Device
from tenants import keys
from tenants.models import APIKey, Tenant
from tests.admin import people
from tests.admin.people import DEVICES, PSK, WORK, Operator
from tests.admission import admit

KEYS = "/admin/tenants/apikey/"


def password_page(device: Device) -> str:
    return f"{DEVICES}{device.id}/credentials/new-password/"


def revoke_page(device: Device, credential: Credential) -> str:
    return f"{DEVICES}{device.id}/credentials/{credential.id}/revoke/"


def shown(answer: HttpResponse) -> str:
    """The secret on the page."""
    found = re.search(r'id="secret">([^<]+)<', answer.content.decode())
    assert found, answer.content.decode()
    return found[1]


def new_password(anna: Operator, device: Device, overlap: str = "0") -> str:
    anna.see(password_page(device))
    answer = anna.post(password_page(device), {"overlap": overlap})
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    return shown(answer)


def new_key(anna: Operator, tenant: Tenant, **fields: str) -> str:
    answer = anna.post(f"{KEYS}add/", {"tenant": tenant.id, "name": "ci", "role": "editor", **fields})
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    return shown(answer)


# ---- passwords of devices


def test_a_new_password_opens_a_session_and_the_old_one_no_longer(anna: Operator) -> None:
    device = people.device()
    first = new_password(anna, device)
    assert admit(str(device.id), first)
    second = new_password(anna, device)
    assert admit(str(device.id), second)
    assert not admit(str(device.id), first)
    assert people.history(device)[-1] == ("credential added", anna.by)


def test_the_old_password_may_live_on_for_a_while(anna: Operator) -> None:
    device = people.device()
    first = new_password(anna, device)
    new_password(anna, device, "3600")
    assert admit(str(device.id), first)
    assert "never" in people.text(anna.see(people.page(device)))


@pytest.mark.parametrize("overlap", ["", "-1", "999999999", "x"])
def test_an_overlap_that_is_no_choice_makes_nothing(anna: Operator, overlap: str) -> None:
    device = people.device()
    assert anna.post(password_page(device), {"overlap": overlap}).status_code == 200
    assert not Credential.objects.exists()


def test_a_credential_is_revoked(anna: Operator) -> None:
    device = people.device()
    secret = new_password(anna, device)
    credential = Credential.objects.get()
    assert people.text(anna.see(people.page(device))).count("Revoke") == 1
    (message,) = anna.press(revoke_page(device, credential))
    assert message.endswith("is revoked.")
    assert not admit(str(device.id), secret)
    assert people.outbox(device) == ["credentials", "kick"]
    assert people.history(device)[-1] == ("credential revoked", anna.by)


def test_a_credential_of_another_device_is_not_found(anna: Operator) -> None:
    one, other = people.device("SN-1"), people.device("SN-2")
    new_password(anna, other)
    assert anna.post(revoke_page(one, Credential.objects.get())).status_code == 404
    assert Credential.objects.count() == 1


# ---- API keys


def test_a_new_key_is_the_one_that_is_stored(anna: Operator) -> None:
    text = new_key(anna, people.tenant())
    key = APIKey.objects.get()
    assert (key.digest, key.role, key.name) == (keys.digest(text), "editor", "ci")
    listed = people.text(anna.see(KEYS))
    assert "ci here editor valid – never" in listed


def test_a_key_is_revoked(anna: Operator) -> None:
    new_key(anna, people.tenant())
    key = APIKey.objects.get()
    (message,) = anna.press(f"{KEYS}{key.id}/revoke/")
    assert message == "success: ci (editor) is revoked: requests with it are answered 401 from now on."
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert "revoked" in people.text(anna.see(KEYS))
    assert "Revoke this key" not in anna.see(f"{KEYS}{key.id}/change/")


def test_the_last_owner_key_stays(anna: Operator) -> None:
    new_key(anna, people.tenant(), role="owner")
    (message,) = anna.press(f"{KEYS}{APIKey.objects.get().id}/revoke/")
    assert "This is the tenant's last owner key: make another one first." in message
    assert APIKey.objects.get().revoked_at is None


def test_a_key_that_has_expired_already_is_not_made(anna: Operator) -> None:
    fields = {"name": "ci", "role": "viewer", "expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"}
    answer = anna.post(f"{KEYS}add/", {"tenant": people.tenant().id, **fields})
    (message,) = people.said(answer)
    assert "Must be in the future" in message
    assert not APIKey.objects.exists()


def test_a_key_is_never_changed_nor_deleted(anna: Operator) -> None:
    new_key(anna, people.tenant())
    key = APIKey.objects.get()
    anna.post(f"{KEYS}{key.id}/change/", {"name": "other", "role": "owner", "tenant": key.tenant_id})
    anna.see(f"{KEYS}{key.id}/delete/", status=403)
    key.refresh_from_db()
    assert (key.name, key.role) == ("ci", "editor")


# ---- and nowhere else


def test_no_page_holds_a_secret_a_hash_or_a_sealed_secret(anna: Operator) -> None:
    device = people.device("SN-17", *WORK)
    password, key = new_password(anna, device), new_key(anna, device.tenant)
    sealed = people.command(device, "preSharedKey").secrets
    assert sealed
    anna.user.set_password(password)
    anna.user.save()
    anna.client.force_login(anna.user)
    people.failed("SN-18")
    anna.post(people.do(Device.objects.get(serial_number="SN-18"), "block"))
    digest, salt = Credential.objects.get().digest, Credential.objects.get().digest.split("$")[3]
    hidden = [PSK, password, key, sealed, digest, salt, keys.digest(key), *anna.user.password.split("$")[2:]]
    made = APIKey.objects.get()
    pages = [
        "/admin/",
        DEVICES,
        KEYS,
        "/admin/devices/outboxrow/",
        "/admin/tenants/tenant/",
        "/admin/auth/user/",
    ]
    pages += [people.page(device), f"{people.page(device)}?runs=all", f"{DEVICES}{device.id}/history/"]
    pages += [f"{DEVICES}{device.id}/delete/", f"{KEYS}{made.id}/change/", f"{KEYS}{made.id}/history/"]
    pages += [f"/admin/auth/user/{anna.user.id}/change/", password_page(device)]
    pages += [people.repair(device, command.id, "reset") for command in Command.objects.filter(device=device)]
    for path in pages:
        page = anna.see(path)
        for secret in hidden:
            assert secret[:12] not in page, path


def test_neither_log_nor_session_nor_cookie_holds_a_new_secret(anna: Operator) -> None:
    device = people.device()
    secrets = [new_password(anna, device), new_key(anna, device.tenant)]
    assert passwords.matches(secrets[0], Credential.objects.get().digest)
    kept = [entry.change_message + entry.object_repr for entry in LogEntry.objects.all()]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [cookie.value for cookie in anna.client.cookies.values()]
    assert not [secret for secret in secrets for text in kept if secret in text]


def test_an_operator_who_may_only_look_sees_no_part_of_a_password(db: None) -> None:
    otto = people.operator("otto", "auth.view_user")
    other = people.operator("other").user
    other.set_password("correct horse battery staple")
    other.save()
    page = otto.see(f"/admin/auth/user/{other.id}/change/")
    for part in other.password.split("$"):
        assert part[:6] not in page
