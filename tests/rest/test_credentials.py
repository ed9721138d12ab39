"""A device's credentials are made once, shown once, and end when they are told to."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from devices.models import Credential, OutboxRow
from tests.admission import admit
from tests.pki.make import p256
from tests.rest.cast import DEVICES, Cast, unknown
from tests.rest.material import public_pem


@pytest.fixture
def path(device: str) -> str:
    return f"{DEVICES}/{device}/credentials"


def test_a_password_is_shown_once_and_opens_the_device(cast: Cast, device: str, path: str) -> None:
    made = cast.editor.post(path, {"kind": "password"})
    assert made.status == 201
    assert set(made.body) == {"id", "kind", "userName", "createdAt", "expiresAt", "secret"}
    assert (made.body["kind"], made.body["userName"], made.body["expiresAt"]) == ("password", device, None)
    assert len(made.body["secret"]) == 32
    assert admit(device, made.body["secret"])
    assert not admit(device, made.body["secret"] + "x")
    listed = cast.viewer.get(path).body["items"]
    assert listed == [{name: made.body[name] for name in made.body if name != "secret"}]
    assert cast.viewer.get(f"{DEVICES}/{device}").body["provisioningState"] == "activated"


def test_a_new_password_ends_the_old_one_at_once(cast: Cast, device: str, path: str) -> None:
    old = cast.editor.post(path, {"kind": "password"}).body["secret"]
    new = cast.editor.post(path, {"kind": "password", "overlap": 0}).body["secret"]
    assert not admit(device, old)
    assert admit(device, new)
    assert len(cast.viewer.get(path).body["items"]) == 1


def test_an_overlap_leaves_the_old_one_for_so_long(cast: Cast, device: str, path: str) -> None:
    old = cast.editor.post(path, {"kind": "password"}).body
    new = cast.editor.post(path, {"kind": "password", "overlap": 3600}).body
    assert admit(device, old["secret"])
    assert admit(device, new["secret"])
    newer, older = cast.viewer.get(path).body["items"]
    assert (newer["id"], newer["expiresAt"]) == (new["id"], None)
    left = datetime.fromisoformat(older["expiresAt"]) - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    Credential.objects.filter(id=old["id"]).update(expires_at=timezone.now())
    assert not admit(device, old["secret"])


@pytest.mark.parametrize("setting", ["KEYSEED_MOSQUITTO_DIR", "KEYSEED_MOSQUITTO_DYNSEC"])
def test_an_overlap_that_the_broker_cannot_keep_is_refused(
    path: str, cast: Cast, settings: Settings, setting: str
) -> None:
    setattr(settings, setting, "somewhere")
    refused = cast.editor.post(path, {"kind": "password", "overlap": 60})
    assert (refused.status, refused.fields) == (400, ["overlap"])
    assert "one password a device" in refused.message
    assert cast.viewer.get(path).body["items"] == []


def test_a_public_key_is_kept_beside_a_password(cast: Cast, device: str, path: str) -> None:
    secret = cast.editor.post(path, {"kind": "password"}).body["secret"]
    made = cast.editor.post(path, {"kind": "publicKey", "publicKey": public_pem(p256())})
    assert made.status == 201
    assert set(made.body) == {"id", "kind", "userName", "createdAt", "expiresAt"}
    assert admit(device, secret)
    assert {c["kind"] for c in cast.viewer.get(path).body["items"]} == {"password", "publicKey"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "psk"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": {}}, "kind"),
        ({"kind": "password", "overlap": -1}, "overlap"),
        ({"kind": "password", "overlap": 7 * 24 * 3600 + 1}, "overlap"),
        ({"kind": "password", "overlap": "60"}, "overlap"),
        ({"kind": "password", "overlap": True}, "overlap"),
        ({"kind": "password", "overlap": 1.5}, "overlap"),
        ({"kind": "password", "overlap": None}, "overlap"),
        ({"kind": "password", "publicKey": "x"}, "publicKey"),
        ({"kind": "password", "secret": "mine"}, "secret"),
        ({"kind": "publicKey"}, "publicKey"),
        ({"kind": "publicKey", "publicKey": "x"}, "publicKey"),
        ({"kind": "publicKey", "publicKey": ""}, "publicKey"),
        ({"kind": "publicKey", "publicKey": 7}, "publicKey"),
        ({"kind": "publicKey", "publicKey": "x" * 16_385}, "publicKey"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(cast: Cast, path: str, body: object, field: str) -> None:
    answer = cast.editor.post(path, body)
    assert (answer.status, answer.fields) == (400, [field])
    assert not Credential.objects.exists()


def test_a_revoked_credential_ends_its_session(cast: Cast, device: str, path: str) -> None:
    made = cast.editor.post(path, {"kind": "password"}).body
    OutboxRow.objects.all().delete()
    assert cast.editor.delete(f"{path}/{made['id']}").status == 204
    assert not admit(device, made["secret"])
    assert {row.kind for row in OutboxRow.objects.all()} == {"credentials", "kick"}
    again = cast.editor.delete(f"{path}/{made['id']}")
    assert (again.status, "GET …/credentials" in again.message) == (404, True)


def test_a_credential_is_revoked_only_at_its_own_device(cast: Cast, path: str) -> None:
    made = cast.editor.post(path, {"kind": "password"}).body
    other = cast.editor.device()
    assert cast.editor.delete(f"{DEVICES}/{other}/credentials/{made['id']}").status == 404
    assert cast.editor.delete(f"{DEVICES}/{unknown()}/credentials/{made['id']}").status == 404
    assert Credential.objects.count() == 1
    assert cast.viewer.get(f"{DEVICES}/{other}/credentials").body["items"] == []
