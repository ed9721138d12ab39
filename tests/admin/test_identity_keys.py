"""Identity keys are found, added and deleted by an operator; a device's page says what its claim proves."""

import pytest
from django.utils import timezone

from devices.models import Device, IdentityKey
from tests.admin import people
from tests.admin.people import Operator
from tests.pki import make
from tests.rest.modems import Modem, known, modem

KEYS = "/admin/devices/identitykey/"


def add(anna: Operator, one: Modem, key: str = "") -> str:
    """What the page then says; nothing where it went through."""
    answer = anna.post(f"{KEYS}add/", {"device_id": one.id, "public_key": key or one.pem})
    return "" if answer.status_code == 302 else people.text(answer.content.decode())


def test_a_key_is_added_and_shown(anna: Operator) -> None:
    one = modem()
    assert anna.see("/admin/").count(KEYS) >= 1
    assert add(anna, one) == ""
    row = IdentityKey.objects.get()
    assert (row.device_id, row.public_key, row.learnt) == (one.uuid, one.pem, False)
    assert one.id in anna.see(KEYS)
    shown = anna.see(f"{KEYS}{row.id}/change/")
    assert "BEGIN PUBLIC KEY" in shown
    assert 'name="public_key"' not in shown


def test_what_is_no_key_is_told_at_its_field(anna: Operator) -> None:
    one = modem()
    assert "neither PEM nor" in add(anna, one, "no key")
    assert "EC on P-256" in add(anna, one, make.public_pem(make.rsa_key()))
    answer = anna.post(f"{KEYS}add/", {"device_id": "x", "public_key": one.pem})
    assert "device&#x27;s UUID" in answer.content.decode()
    assert not IdentityKey.objects.exists()


def test_a_known_device_keeps_its_key_until_it_is_deleted(anna: Operator) -> None:
    one = known()
    assert "delete that one first" in add(anna, one, make.public_pem(make.p256()))
    row = IdentityKey.objects.get()
    assert anna.post(f"{KEYS}{row.id}/delete/", {"post": "yes"}).status_code == 302
    assert add(anna, one) == ""


def test_a_key_is_never_changed(anna: Operator) -> None:
    one = known()
    row = IdentityKey.objects.get()
    anna.post(f"{KEYS}{row.id}/change/", {"device_id": modem().id, "public_key": modem().pem})
    assert IdentityKey.objects.filter(device_id=one.uuid, public_key=one.pem).exists()


def test_an_added_key_takes_the_place_of_what_was_learnt(anna: Operator) -> None:
    one = modem()
    learnt = make.public_pem(make.p256())
    IdentityKey.objects.create(device_id=one.uuid, public_key=learnt, learnt=True)
    assert "learnt" in people.text(anna.see(KEYS))
    assert add(anna, one) == ""
    assert IdentityKey.objects.get().public_key == one.pem


def test_a_key_is_found_by_the_whole_id(anna: Operator) -> None:
    first, second = known(), known()
    listed = anna.see(f"{KEYS}?q={first.id.upper()}")
    assert first.id in listed
    assert second.id not in listed
    for nothing in (first.id[:8], "' or 1=1"):
        listed = anna.see(f"{KEYS}?q={nothing}")
        assert second.id not in listed


def test_who_may_only_look_at_devices_sees_no_keys(guest: Operator) -> None:
    guest.see(KEYS, status=403)
    guest.see(f"{KEYS}add/", status=403)


@pytest.mark.parametrize(
    ("ownership", "proved", "words"),
    [
        ("DEFINED", False, "needs no proof"),
        ("IDENTIFIED", False, "needs no proof"),
        ("UNPROVEN", False, "carries no secrets until it signs in"),
        ("UNPROVEN", True, "Proved (UTC)"),
    ],
)
def test_a_devices_page_says_what_its_claim_proves(
    anna: Operator, ownership: str, proved: bool, words: str
) -> None:
    device = people.device()
    at = timezone.now() if proved else None
    Device.objects.filter(id=device.id).update(ownership_status=ownership, proved_at=at)
    shown = people.text(anna.see(people.page(device)))
    assert ownership in shown
    assert words in shown
    assert ("needs no proof" in shown) == (ownership != "UNPROVEN")
    assert ("not yet" in shown) == (ownership == "UNPROVEN" and not proved)
