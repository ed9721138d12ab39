"""A device proves who it is by a key that is its own, and by nothing else (WIRE.md 1.7, 9.2)."""

import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from commands import services
from devices import credentials, sign_in
from devices.models import Credential, Device, IdentityKey, TimelineEntry
from devices.sign_in import NotClaimed, NotSignedIn
from devices.status import Ownership
from tenants.models import Tenant
from tests.pki.make import Signer, jws, p256, public_pem
from tests.rest.cast import DEVICES, Cast


def token(device: str, key: Signer, **claims: Any) -> str:
    """As an nRF91 modem makes it, unless `claims` say otherwise; None takes a claim away."""
    now = int(time.time())
    all = {"iss": f"nRF9160.{device}", "jti": "nRF9160.x.y", "iat": now, "exp": now + 300} | claims
    return jws(key, {name: value for name, value in all.items() if value is not None})


def give(cast: Cast, device: str, key: Signer, **more: Any) -> None:
    body = {"kind": "publicKey", "publicKey": public_pem(key), **more}
    assert cast.editor.post(f"{DEVICES}/{device}/credentials", body).status == 201


def unproven(cast: Cast) -> str:
    """A device that our tenant claimed without proof."""
    tenant = cast.owner.tenant
    made = Device.objects.create(id=uuid4(), tenant=tenant, ownership_status=Ownership.UNPROVEN.value)
    return str(made.id)


def notes(device: str) -> list[str]:
    found = TimelineEntry.objects.filter(device_id=device).order_by("id")
    return [str(entry.data.get("what")) for entry in found]


def test_a_token_of_its_own_key_lets_a_device_in_for_as_long_as_the_token_lasts(
    cast: Cast, device: str
) -> None:
    key = p256()
    give(cast, device, key)
    found = sign_in.by_token(token(device, key))
    assert found.until is not None
    assert (str(found.device_id), found.blocked) == (device, False)
    assert timedelta(seconds=290) < found.until - timezone.now() <= timedelta(seconds=300)
    assert sign_in.by_secret(device, token(device, key)).device_id == found.device_id


def test_a_strangers_key_opens_nothing(cast: Cast, device: str) -> None:
    give(cast, device, p256())
    with pytest.raises(NotSignedIn, match="verifies with none of the device's keys"):
        sign_in.by_token(token(device, p256()))


def test_a_neighbours_token_does_not_open_this_device(cast: Cast, device: str) -> None:
    neighbour, key = cast.editor.device(), p256()
    give(cast, neighbour, key)
    with pytest.raises(NotSignedIn):
        sign_in.by_token(token(device, key))
    with pytest.raises(NotSignedIn, match="another device than the user name"):
        sign_in.by_secret(device, token(neighbour, key))


def test_a_revoked_key_opens_nothing(cast: Cast, device: str) -> None:
    key = p256()
    give(cast, device, key)
    Credential.objects.filter(device_id=device).delete()
    with pytest.raises(NotSignedIn):
        sign_in.by_token(token(device, key))


def test_an_old_key_opens_as_long_as_its_overlap(cast: Cast, device: str) -> None:
    old, new = p256(), p256()
    give(cast, device, old)
    give(cast, device, new, overlap=3600)
    assert sign_in.by_token(token(device, old))
    Credential.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
    with pytest.raises(NotSignedIn):
        sign_in.by_token(token(device, old))
    assert sign_in.by_token(token(device, new))


def test_a_blocked_device_is_known_as_such(cast: Cast, device: str) -> None:
    key = p256()
    give(cast, device, key)
    services.block(cast.owner.tenant.id, UUID(device), "the owner")
    assert sign_in.by_token(token(device, key)).blocked


def test_a_token_without_times_is_let_in_only_where_the_tenant_says_so(cast: Cast, device: str) -> None:
    key = p256()
    give(cast, device, key)
    timeless = token(device, key, iat=None, exp=None)
    with pytest.raises(NotSignedIn, match="neither exp nor iat"):
        sign_in.by_token(timeless)
    assert cast.editor.patch("/v1/tenant", {"jwtWithoutExpiry": True}).status == 403
    assert cast.owner.patch("/v1/tenant", {"jwtWithoutExpiry": True}).body["jwtWithoutExpiry"] is True
    assert sign_in.by_token(timeless).until is None


def test_a_tenant_can_ask_for_the_services_name_in_every_token(
    cast: Cast, device: str, settings: Settings
) -> None:
    key = p256()
    settings.KEYSEED_JWT_AUDIENCE = "prov.example"
    give(cast, device, key)
    assert sign_in.by_token(token(device, key))
    with pytest.raises(NotSignedIn, match=r"prov\.example"):
        sign_in.by_token(token(device, key, aud="elsewhere.example"))
    assert cast.owner.patch("/v1/tenant", {"jwtAudienceRequired": True}).status == 200
    with pytest.raises(NotSignedIn, match=r"prov\.example"):
        sign_in.by_token(token(device, key))
    assert sign_in.by_token(token(device, key, aud=["prov.example"]))


def test_an_imported_identity_key_lets_its_device_in_and_proves_a_claim(cast: Cast) -> None:
    device, key = unproven(cast), p256()
    IdentityKey.objects.create(device_id=device, public_key=public_pem(key))
    assert sign_in.by_token(token(device, key))
    assert Device.objects.get(id=device).ownership_status == "IDENTIFIED"
    sign_in.by_token(token(device, key))
    assert notes(device) == ["signed in with its identity key"]


def test_a_device_that_nobody_claimed_is_told_so_if_its_identity_key_is_known(db: None) -> None:
    device, key = str(uuid4()), p256()
    with pytest.raises(NotSignedIn) as refused:
        sign_in.by_token(token(device, key))
    assert not isinstance(refused.value, NotClaimed)
    IdentityKey.objects.create(device_id=device, public_key=public_pem(key))
    with pytest.raises(NotClaimed):
        sign_in.by_token(token(device, key))


def test_what_its_owner_gave_it_proves_an_unproven_device_without_making_it_another_claim(cast: Cast) -> None:
    device, key = unproven(cast), p256()
    give(cast, device, key)
    sign_in.by_token(token(device, key))
    found = Device.objects.get(id=device)
    assert found.proved_at is not None
    assert found.ownership_status == "UNPROVEN"
    sign_in.by_token(token(device, key))
    assert notes(device).count("signed in with what its owner gave it") == 1


def test_a_password_proves_as_much(cast: Cast) -> None:
    device = unproven(cast)
    secret = cast.editor.post(f"{DEVICES}/{device}/credentials", {"kind": "password"}).body["secret"]
    assert Device.objects.get(id=device).proved_at is None
    sign_in.by_secret(device, secret)
    assert Device.objects.get(id=device).proved_at is not None


def test_a_key_that_the_device_made_itself_proves_nothing_of_its_owner(cast: Cast) -> None:
    device, key = unproven(cast), p256()
    credentials.register_keys([(UUID(device), public_pem(key))], timezone.now())
    sign_in.by_token(token(device, key))
    assert Device.objects.get(id=device).proved_at is None


def test_a_device_that_used_its_new_key_needs_its_old_one_no_more(cast: Cast, device: str) -> None:
    old, new = p256(), p256()
    give(cast, device, old)
    credentials.register_keys([(UUID(device), public_pem(new))], timezone.now())
    assert sign_in.by_token(token(device, old)), "until then both open"
    sign_in.by_token(token(device, new))
    with pytest.raises(NotSignedIn):
        sign_in.by_token(token(device, old))


class TestOnFirstUse:
    """One tenant, which takes the first token's word for a device's key."""

    @pytest.fixture
    def alone(self, cast: Cast, settings: Settings) -> str:
        settings.KEYSEED_CLAIM_PROOF = "first-use"
        Tenant.objects.exclude(id=cast.owner.tenant.id).delete()
        return unproven(cast)

    def test_two_tokens_pin_the_key_and_no_other_opens_after(self, alone: str) -> None:
        key = p256()
        assert sign_in.by_token(token(alone, key))
        learnt = IdentityKey.objects.filter(device_id=alone, learnt=True)
        assert 1 <= learnt.count() <= 2
        with pytest.raises(NotSignedIn):
            sign_in.by_token(token(alone, p256()))
        assert sign_in.by_token(token(alone, key, jti="another"))
        assert [one.public_key for one in learnt.all()] == [public_pem(key)]
        assert notes(alone) == ["its key was learnt from its first token"]
        assert Device.objects.get(id=alone).ownership_status == "UNPROVEN"

    def test_nothing_is_learnt_for_a_device_whose_owner_gave_it_a_key(self, cast: Cast, alone: str) -> None:
        give(cast, alone, p256())
        with pytest.raises(NotSignedIn):
            sign_in.by_token(token(alone, p256()))
        assert not IdentityKey.objects.exists()

    def test_nothing_is_learnt_for_a_device_that_was_defined(self, cast: Cast, alone: str) -> None:
        device = cast.editor.device()
        with pytest.raises(NotSignedIn):
            sign_in.by_token(token(device, p256()))

    def test_nothing_is_learnt_once_there_is_a_second_tenant_unless_this_is_a_sandbox(
        self, cast: Cast, alone: str
    ) -> None:
        Tenant.objects.create(name="second")
        with pytest.raises(NotSignedIn):
            sign_in.by_token(token(alone, p256()))
        Tenant.objects.filter(id=cast.owner.tenant.id).update(sandbox=True)
        assert sign_in.by_token(token(alone, p256()))


@pytest.mark.parametrize("secret", ["", "a.b.c", "..", "x" * 5000, "att.a.b", "\ud800", "é.ü.ö"])
def test_anything_else_is_refused_with_a_sentence(cast: Cast, device: str, secret: str) -> None:
    for who in (device, device.upper(), "nobody", ""):
        with pytest.raises(NotSignedIn) as refused:
            sign_in.by_secret(who, secret)
        assert refused.value.reason.endswith(".")
