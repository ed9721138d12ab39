"""A device's certificate is Keyseed's own: it names the device, whatever was asked for, and ends when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from devices import certificates
from devices.models import Credential, Device, DeviceCA, OutboxRow, RevokedCertificate
from devices.status import Ownership
from pki import device_ca
from pki.device_ca import Reason
from provisioning import housekeeping
from tests.pki.make import request
from tests.rest.cast import DEVICES, Answer, Cast

HOUR = timedelta(hours=1)


@pytest.fixture
def path(device: str) -> str:
    return f"{DEVICES}/{device}/credentials"


def csr() -> str:
    return request().public_bytes(Encoding.PEM).decode()


def body(**fields: Any) -> dict[str, Any]:
    return {"kind": "certificate", "csr": csr(), **fields}


def issued(cast: Cast, path: str, **fields: Any) -> dict[str, Any]:
    made = cast.editor.post(path, body(**fields))
    assert made.status == 201, made.body
    return dict(made.body)


def chain(text: str) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, ca = x509.load_pem_x509_certificates(text.encode())
    return leaf, ca


def revoked() -> dict[str, Reason]:
    """What the newest list says, by serial number."""
    (found,) = device_ca.read_lists(certificates.lists(timezone.now()))
    return {
        device_ca.hexadecimal(entry.serial_number): Reason(
            entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        )
        for entry in found
    }


# ---- issuing


def test_a_certificate_names_the_device_and_comes_with_its_ca(cast: Cast, device: str, path: str) -> None:
    sent = csr()
    made = issued(cast, path, csr=sent)
    names = {"id", "kind", "userName", "certificate", "serial", "createdAt", "expiresAt"}
    assert (set(made), made["kind"], made["userName"]) == (names, "certificate", device)
    leaf, ca = chain(made["certificate"])
    assert leaf.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    assert leaf.public_key() == x509.load_pem_x509_csr(sent.encode()).public_key()
    assert device_ca.hexadecimal(leaf.serial_number) == made["serial"]
    leaf.verify_directly_issued_by(ca)
    assert datetime.fromisoformat(made["expiresAt"]) == leaf.not_valid_after_utc
    left = leaf.not_valid_after_utc - timezone.now()
    assert timedelta(days=364) < left <= timedelta(days=365)
    assert cast.viewer.get(path).body["items"] == [made]
    assert cast.viewer.get(f"{DEVICES}/{device}").body["provisioningState"] == "activated"
    assert {row.kind for row in OutboxRow.objects.all()} == {"credentials"}


def test_it_is_for_as_many_days_as_asked(cast: Cast, path: str) -> None:
    leaf, _ = chain(issued(cast, path, validityDays=30)["certificate"])
    assert timedelta(days=29) < leaf.not_valid_after_utc - timezone.now() <= timedelta(days=30)


def test_all_tenants_devices_have_one_ca(cast: Cast, path: str) -> None:
    theirs = f"{DEVICES}/{cast.stranger.device()}/credentials"
    _, ours = chain(issued(cast, path)["certificate"])
    _, other = chain(cast.stranger.post(theirs, body()).body["certificate"])
    assert ours == other
    assert DeviceCA.objects.count() == 1


def test_a_repeated_request_gets_the_same_certificate(cast: Cast, path: str) -> None:
    sent = body()
    first = cast.editor.post(path, sent, Idempotency_Key="one")
    again = cast.editor.post(path, sent, Idempotency_Key="one")
    assert (again.status, again.body) == (201, first.body)
    assert Credential.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"csr": None}, "csr"),
        ({"csr": "x"}, "csr"),
        ({"csr": ""}, "csr"),
        ({"csr": "x" * 16_385}, "csr"),
        ({"validityDays": 0}, "validityDays"),
        ({"validityDays": 826}, "validityDays"),
        ({"validityDays": "30"}, "validityDays"),
        ({"publicKey": "x"}, "publicKey"),
        ({"certificate": "x"}, "certificate"),
        ({"subject": "CN=other"}, "subject"),
        ({"overlap": -1}, "overlap"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(
    cast: Cast, path: str, change: dict[str, Any], field: str
) -> None:
    answer = cast.editor.post(path, {**body(), **change})
    assert (answer.status, answer.fields) == (400, [field])
    assert not Credential.objects.exists()
    left_out = cast.editor.post(path, {"kind": "certificate"})
    assert (left_out.status, left_out.fields) == (400, ["csr"])


@pytest.mark.parametrize("kind", ["password", "publicKey"])
@pytest.mark.parametrize(("field", "value"), [("csr", "x"), ("validityDays", 30)])
def test_other_kinds_have_no_use_for_its_fields(
    cast: Cast, path: str, kind: str, field: str, value: object
) -> None:
    key = {"publicKey": "x"} if kind == "publicKey" else {}
    answer = cast.editor.post(path, {"kind": kind, field: value, **key})
    assert (answer.status, answer.fields) == (400, [field])


def test_a_device_that_may_be_anybodys_gets_none(cast: Cast, device: str, path: str) -> None:
    Device.objects.update(ownership_status=Ownership.UNPROVEN)
    answer = cast.editor.post(path, body())
    assert (answer.status, answer.body["code"]) == (409, "CLAIM_UNPROVEN")
    Device.objects.update(proved_at=timezone.now())
    assert cast.editor.post(path, body()).status == 201


def test_a_strangers_device_does_not_exist(cast: Cast, path: str) -> None:
    assert cast.stranger.post(path, body()).status == 404
    assert not Credential.objects.exists()


# ---- ending


def test_a_new_one_ends_the_old_one_at_once(cast: Cast, path: str) -> None:
    old, new = issued(cast, path), issued(cast, path)
    assert [one["id"] for one in cast.viewer.get(path).body["items"]] == [new["id"]]
    assert revoked() == {old["serial"]: Reason.SUPERSEDED}
    assert {row.kind for row in OutboxRow.objects.all()} == {"credentials", "kick"}


def test_an_overlap_leaves_the_old_one_for_so_long(cast: Cast, path: str) -> None:
    old = issued(cast, path)
    OutboxRow.objects.all().delete()
    new = issued(cast, path, overlap=3600)
    assert revoked() == {}
    (row,) = RevokedCertificate.objects.all()
    due = OutboxRow.objects.filter(due_at__gt=timezone.now())
    assert {(one.kind, one.due_at) for one in due} == {
        ("credentials", row.revoked_at),
        ("kick", row.revoked_at),
    }
    newer, older = cast.viewer.get(path).body["items"]
    assert datetime.fromisoformat(older["expiresAt"]) - timezone.now() <= HOUR
    assert newer["expiresAt"] == new["expiresAt"]
    RevokedCertificate.objects.update(revoked_at=timezone.now())
    assert revoked() == {old["serial"]: Reason.SUPERSEDED}


def test_a_second_overlap_never_makes_the_first_one_longer(cast: Cast, path: str) -> None:
    old = issued(cast, path)
    issued(cast, path, overlap=60)
    ends = RevokedCertificate.objects.get(serial=old["serial"]).revoked_at
    issued(cast, path, overlap=3600)
    assert RevokedCertificate.objects.get(serial=old["serial"]).revoked_at == ends
    issued(cast, path)
    assert RevokedCertificate.objects.get(serial=old["serial"]).revoked_at < ends


@pytest.fixture(params=["revoke", "unclaim"])
def end(request: pytest.FixtureRequest, cast: Cast, device: str) -> Callable[[str], Answer]:
    """Ends a credential, by itself or with its device."""
    one = f"{DEVICES}/{device}"
    if request.param == "unclaim":
        return lambda _: cast.editor.delete(one)
    return lambda credential: cast.editor.delete(f"{one}/credentials/{credential}")


def test_what_is_revoked_or_unclaimed_is_on_the_list_for_as_long_as_it_would_last(
    cast: Cast, path: str, end: Callable[[str], Answer]
) -> None:
    made = issued(cast, path, validityDays=1)
    OutboxRow.objects.all().delete()
    assert end(made["id"]).status == 204
    assert revoked() == {made["serial"]: Reason.ENDED}
    assert {row.kind for row in OutboxRow.objects.all()} == {"credentials", "kick"}
    RevokedCertificate.objects.update(expires_at=timezone.now() - 23 * HOUR)
    housekeeping.run()
    assert revoked() == {made["serial"]: Reason.ENDED}
    RevokedCertificate.objects.update(expires_at=timezone.now() - 25 * HOUR)
    housekeeping.run()
    assert revoked() == {}


def test_a_blocked_devices_certificates_are_held_until_it_is_unblocked(
    cast: Cast, device: str, path: str
) -> None:
    made = issued(cast, path)
    cast.editor.post(f"{DEVICES}/{device}/block")
    assert revoked() == {made["serial"]: Reason.HELD}
    cast.editor.post(f"{DEVICES}/{device}/unblock")
    assert revoked() == {}


def test_one_that_ran_out_is_erased_and_its_session_ends(cast: Cast, device: str, path: str) -> None:
    issued(cast, path)
    Credential.objects.update(expires_at=timezone.now())
    OutboxRow.objects.all().delete()
    housekeeping.run()
    assert not Credential.objects.exists()
    told = list(OutboxRow.objects.values_list("kind", "device_id"))
    assert [(kind, str(id)) for kind, id in told] == [("credentials", "None"), ("kick", device)]


# ---- the CA and its lists


def test_a_list_that_says_the_same_stays_as_it_is(cast: Cast, path: str) -> None:
    made = issued(cast, path)
    now = timezone.now()
    first = certificates.lists(now)
    assert certificates.lists(now, first) == first
    cast.editor.delete(f"{path}/{made['id']}")
    second = certificates.lists(timezone.now(), first)
    assert [
        found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for found in read(second)
    ] == [2]
    assert certificates.lists(timezone.now(), "nonsense") not in ("nonsense", second)


def read(text: str) -> list[x509.CertificateRevocationList]:
    return device_ca.read_lists(text)


def test_a_new_ca_issues_and_the_old_one_is_trusted_until_it_ends(
    cast: Cast, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = issued(cast, path)
    OutboxRow.objects.all().delete()
    call_command("device_ca", "new")
    _, new = chain(issued(cast, path)["certificate"])
    _, old = chain(before["certificate"])
    assert new.subject != old.subject
    assert new.subject.rfc4514_string() in capsys.readouterr().out
    assert OutboxRow.objects.filter(kind="credentials", device_id=None).count() == 1
    call_command("device_ca", "show")
    shown = capsys.readouterr().out
    assert x509.load_pem_x509_certificates(shown.encode()) == [new, old]
    call_command("device_ca", "crl")
    for found, ca in zip(read(capsys.readouterr().out), [new, old], strict=True):
        assert found.issuer == ca.subject
        assert found.get_revoked_certificate_by_serial_number(int(before["serial"], 16))
    DeviceCA.objects.filter(id=DeviceCA.objects.earliest("id").id).update(ends_at=timezone.now())
    assert x509.load_pem_x509_certificates(certificates.trusted(timezone.now()).encode()) == [new]


def test_its_key_is_sealed_and_shown_nowhere(
    cast: Cast, path: str, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    issued(cast, path)
    row = DeviceCA.objects.get()
    assert "PRIVATE" not in row.private_key
    for action in ("show", "crl"):
        call_command("device_ca", action)
    said = capsys.readouterr()
    assert "PRIVATE" not in said.out + said.err
    assert row.private_key not in said.out


@pytest.fixture
def threads(transactional_db: None) -> Iterator[list[threading.Thread]]:
    started: list[threading.Thread] = []
    yield started
    for thread in started:
        thread.join(20)


@pytest.mark.django_db(transaction=True)
def test_who_needs_it_at_the_same_time_gets_the_same_one(threads: list[threading.Thread]) -> None:
    ready, got = threading.Barrier(6), list[str]()

    def ask() -> None:
        ready.wait(10)
        got.append(certificates.trusted(timezone.now()))
        connection.close()

    threads.extend(threading.Thread(target=ask) for _ in range(6))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(got), len(set(got)), DeviceCA.objects.count()) == (6, 1, 1)
