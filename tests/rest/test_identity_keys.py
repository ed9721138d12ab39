"""Identity keys come in over REST where there is one tenant, and by the command line everywhere."""

import base64
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError, call_command

from devices.models import IdentityKey
from tenants.models import Tenant
from tests.pki import make
from tests.rest.cast import DEVICES, Cast, Person, unknown
from tests.rest.modems import Modem, modem

KEYS = "/v1/identity-keys"


@pytest.fixture
def alone(cast: Cast) -> Person:
    """The admin of the only tenant."""
    Tenant.objects.filter(id=cast.stranger.tenant.id).delete()
    return cast.admin


def stored() -> dict[UUID, str]:
    return dict(IdentityKey.objects.filter(learnt=False).values_list("device_id", "public_key"))


WAYS: dict[str, Callable[[Modem], str]] = {
    "PEM": lambda one: one.pem,
    "PEM with CRLF": lambda one: one.pem.replace("\n", "\r\n"),
    "base64 in one line": lambda one: base64.b64encode(one.der).decode(),
    "base64url": lambda one: base64.urlsafe_b64encode(one.der).decode().rstrip("="),
    "modem style": lambda one: base64.urlsafe_b64encode(one.der).decode().rstrip("=") + ".0oRDoQEm",
}


# ---- over REST


@pytest.mark.parametrize("way", list(WAYS))
def test_a_key_is_imported_and_proves_a_claim(alone: Person, way: str) -> None:
    one = modem()
    made = alone.post(KEYS, {"deviceId": one.id.upper(), "publicKey": WAYS[way](one)})
    assert made.status == 201
    assert set(made.body) == {"deviceId", "publicKey", "createdAt"}
    assert (made.body["deviceId"], made.body["publicKey"]) == (one.id, one.pem)
    assert alone.get(f"{KEYS}/{one.id}").body == made.body
    assert alone.post(DEVICES, {"claimToken": one.token}).body["ownershipStatus"] == "IDENTIFIED"


def test_the_same_key_again_changes_nothing_and_another_is_refused(alone: Person) -> None:
    one = modem()
    body = {"deviceId": one.id, "publicKey": one.pem}
    first = alone.post(KEYS, body)
    assert alone.post(KEYS, body).body == first.body
    other = alone.post(KEYS, {"deviceId": one.id, "publicKey": make.public_pem(make.p256())})
    assert (other.status, other.body["code"]) == (409, "CONFLICT")
    assert f"DELETE /v1/identity-keys/{one.id}" in other.message
    assert stored() == {one.uuid: one.pem}
    assert alone.delete(f"{KEYS}/{one.id}").status == 204
    assert alone.get(f"{KEYS}/{one.id}").status == alone.delete(f"{KEYS}/{one.id}").status == 404


def test_an_import_takes_the_place_of_what_was_learnt(alone: Person) -> None:
    one = modem()
    for _ in range(2):
        key = make.public_pem(make.p256())
        IdentityKey.objects.create(device_id=one.uuid, public_key=key, learnt=True)
    assert alone.get(f"{KEYS}/{one.id}").status == 404
    alone.post(KEYS, {"deviceId": one.id, "publicKey": one.pem})
    assert list(IdentityKey.objects.values_list("public_key", "learnt")) == [(one.pem, False)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"publicKey": modem().pem}, "deviceId"),
        ({"deviceId": "x", "publicKey": modem().pem}, "deviceId"),
        ({"deviceId": str(UUID(int=0)), "publicKey": modem().pem}, "deviceId"),
        ({"deviceId": uuid4().hex, "publicKey": modem().pem}, "deviceId"),
        ({"deviceId": unknown()}, "publicKey"),
        ({"deviceId": unknown(), "publicKey": "x"}, "publicKey"),
        ({"deviceId": unknown(), "publicKey": make.public_pem(make.rsa_key())}, "publicKey"),
        (
            {"deviceId": unknown(), "publicKey": make.public_pem(ec.generate_private_key(ec.SECP384R1()))},
            "publicKey",
        ),
        ({"deviceId": unknown(), "publicKey": modem().pem, "tenant": "x"}, "tenant"),
    ],
    ids=range(9),
)
def test_what_is_no_identity_key_is_told_why(alone: Person, body: dict[str, Any], field: str) -> None:
    answer = alone.post(KEYS, body)
    assert (answer.status, answer.fields) == (400, [field])
    assert not stored()


def test_rows_are_imported_whatever_the_bad_ones_are(alone: Person) -> None:
    first, second, third, known = modem(), modem(), modem(), modem()
    IdentityKey.objects.create(device_id=known.uuid, public_key=known.pem)
    text = (
        f'deviceId,publicKey\n{first.id},"{first.pem}"\n'
        f"{second.id},{WAYS['base64 in one line'](second)}\nx,y\n{third.id}\n"
        f'{known.id},"{third.pem}"\n{known.id},"{known.pem}"\n{first.id},"{second.pem}"\n'
    )
    answer = alone.post(KEYS, text)
    assert (answer.status, answer.body["importedIds"]) == (201, [first.id, second.id, known.id])
    assert [(one["row"], one["code"]) for one in answer.body["failed"]] == [
        (4, "INVALID"),
        (5, "INVALID"),
        (6, "CONFLICT"),
        (8, "CONFLICT"),
    ]
    assert stored() == {first.uuid: first.pem, second.uuid: second.pem, known.uuid: known.pem}


def test_where_no_row_is_a_key_it_is_a_refusal_with_every_reason(alone: Person) -> None:
    answer = alone.post(KEYS, "x,y\n")
    assert (answer.status, answer.body["code"], answer.body["importedIds"]) == (409, "CONFLICT", [])
    assert answer.message.startswith("No row was imported. Row 1: deviceId:")
    assert len(answer.body["failed"]) == 1


def test_with_a_second_tenant_it_is_the_operators_matter(cast: Cast) -> None:
    one = modem()
    for answer in (
        cast.owner.post(KEYS, {"deviceId": one.id, "publicKey": one.pem}),
        cast.owner.post(KEYS, "x,y\n"),
        cast.owner.get(f"{KEYS}/{one.id}"),
        cast.owner.delete(f"{KEYS}/{one.id}"),
    ):
        assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
        assert "manage.py identity_keys import" in answer.message
    assert not stored()


# ---- by the command line


def run(*arguments: str) -> tuple[str, list[str]]:
    """What the command said, and what it complained of."""
    out, err = StringIO(), StringIO()
    try:
        call_command("identity_keys", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"failed: {error}")
    return out.getvalue().strip(), err.getvalue().splitlines()


@pytest.fixture
def file(tmp_path: Path, db: None) -> Path:
    return tmp_path / "keys.csv"


def test_a_file_is_imported_and_again_changes_nothing(file: Path) -> None:
    modems = [modem() for _ in range(5)]
    written = [f'{one.id},"{write(one)}"' for one, write in zip(modems, WAYS.values(), strict=True)]
    file.write_text("\ufeffdeviceId,publicKey\n" + "\n".join(written) + "\n", newline="")
    assert run("import", str(file)) == ("5 imported, 0 replaced, 0 known already, 0 refused", [])
    rows = list(IdentityKey.objects.values())
    assert run("import", str(file)) == ("0 imported, 0 replaced, 5 known already, 0 refused", [])
    assert list(IdentityKey.objects.values()) == rows
    assert stored() == {one.uuid: one.pem for one in modems}


def test_bad_lines_are_told_by_number_and_the_good_ones_go_in(file: Path) -> None:
    one, other = modem(), modem()
    file.write_bytes(
        f'{one.id},"{one.pem}"\nx,y\n'.encode() + b"\xff\xfe\n" + f'"a"b\n{other.id},"{other.pem}"'.encode()
    )
    said, wrong = run("import", str(file))
    assert said == "2 imported, 0 replaced, 0 known already, 3 refused"
    lines = one.pem.count("\n")
    assert [line.partition(":")[0] for line in wrong] == [f"line {lines + n}" for n in (2, 3, 4)] + ["failed"]
    assert "everything else is stored" in wrong[-1]


def test_another_key_for_a_known_device_needs_a_word(file: Path) -> None:
    one, other = modem(), modem()
    IdentityKey.objects.create(device_id=one.uuid, public_key=other.pem)
    file.write_text(f'{one.id},"{one.pem}"\n')
    said, wrong = run("import", str(file))
    assert said.endswith("1 refused")
    assert "Another identity key is known" in wrong[0]
    assert stored() == {one.uuid: other.pem}
    assert run("import", "--replace", str(file)) == ("0 imported, 1 replaced, 0 known already, 0 refused", [])
    assert stored() == {one.uuid: one.pem}


def test_a_big_file_is_stored_in_lots(file: Path, django_assert_max_num_queries: Any) -> None:
    pem = modem().pem
    file.write_text("".join(f'{uuid4()},"{pem}"\n' for _ in range(2500)))
    with django_assert_max_num_queries(3 * 8):
        assert run("import", str(file))[0].startswith("2,500 imported")
    assert IdentityKey.objects.count() == 2500


def test_stdin_is_read_as_well(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = modem()
    file.write_text(f'{one.id},"{one.pem}"\n')
    with file.open() as opened:
        monkeypatch.setattr("sys.stdin", opened)
        assert run("import", "-")[0].startswith("1 imported")


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    assert "cannot be read" in run("import", str(file))[1][0]


def test_a_terminal_sees_a_bar(file: Path) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    one, out = modem(), StringIO()
    file.write_text(f'{one.id},"{one.pem}"\n')
    call_command("identity_keys", "import", str(file), stdout=out, stderr=Terminal())
    assert out.getvalue().startswith("1 imported")


def test_what_is_listed_can_be_imported_and_what_is_removed_is_gone(file: Path) -> None:
    one, other = modem(), modem()
    for made in (one, other):
        IdentityKey.objects.create(device_id=made.uuid, public_key=made.pem)
    IdentityKey.objects.create(device_id=uuid4(), public_key=one.pem, learnt=True)
    file.write_text(run("list")[0])
    before = stored()
    assert run("remove", one.id) == ("", [])
    assert stored() == {other.uuid: other.pem}
    assert "No identity key" in run("remove", one.id)[1][0]
    assert "no UUID" in run("remove", "x")[1][0]
    assert run("import", str(file))[0].startswith("1 imported, 0 replaced, 1 known already")
    assert stored() == before
