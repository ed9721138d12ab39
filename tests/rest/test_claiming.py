"""A device is claimed by its attestation token: who may, who may not, and what is said."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import override_settings

from commands.models import Command
from devices.models import Credential, Device, IdentityKey, OutboxRow, Tag, TimelineEntry
from tenants.models import Tenant
from tests.pki import make
from tests.rest.cast import CONFIG, DEVICES, Answer, Cast, Person
from tests.rest.modems import FIRMWARE, Modem, known, modem
from tests.rest.test_devices import FIELDS
from tests.rest.test_idempotency import start, wait_for_a_waiter

DRY = f"{DEVICES}?dryrun=true"
SAMPLE = (
    "2dn3hQFQUDYxVDkxRPCAIhIbZAFifQNQGv86y_GmR2SiY0wmRsHGVFDT791_BPH8YOWFiyCHND1q.0oRDoQEmoQRBIfZYQGuXwJliin"
    "Hc6xDPruiyjsaXyXZbZVpUuOhHG9YS8L05VuglCcJhMN4EUhWVGpaHgNnHHno6ahi-d5tOeZmAcNY"
)


def claim(person: Person, one: Modem, *tags: str) -> Answer:
    return person.post(DEVICES, {"claimToken": one.token, "tags": list(tags)})


def everything() -> list[Any]:
    models: tuple[Any, ...] = (Device, Tag, Credential, TimelineEntry, Command, OutboxRow, IdentityKey)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.fixture
def first_use() -> Any:
    with override_settings(KEYSEED_CLAIM_PROOF="first-use"):
        yield


@pytest.fixture
def sandbox(cast: Cast, first_use: None) -> Person:
    """The owner, whose tenant needs no proof though it has a neighbour."""
    Tenant.objects.filter(id=cast.owner.tenant.id).update(sandbox=True)
    return cast.owner


# ---- a claim that holds


def test_a_device_is_claimed_by_its_token(cast: Cast) -> None:
    one = known()
    made = claim(cast.editor, one, "nrf-cloud-onboarding", "location=Oslo")
    assert made.status == 201
    assert set(made.body) == FIELDS
    assert made.body["id"] == one.id
    assert (made.body["deviceType"], made.body["firmwareId"]) == ("nrf9161_LACA", str(FIRMWARE))
    assert (made.body["ownershipStatus"], made.body["status"]) == ("IDENTIFIED", "READY")
    assert made.body["tags"] == ["nrf-cloud-onboarding", "location=Oslo"]
    assert made.body["ownerId"] == str(cast.editor.tenant.id)
    assert cast.viewer.get(f"{DEVICES}/{one.id}").body == made.body
    (entry,) = TimelineEntry.objects.values_list("kind", "data")
    assert entry == ("changed", {"what": "claimed", "proof": "verified", "by": "API key editor of here"})


def test_one_text_with_a_comma_is_two_tags(cast: Cast) -> None:
    assert claim(cast.editor, known(), "a,b").body["tags"] == ["a", "b"]


def test_spaces_and_line_ends_around_a_token_do_not_matter(cast: Cast) -> None:
    assert cast.editor.post(DEVICES, {"claimToken": f" {known().token}\r\n"}).status == 201


def test_another_name_of_the_address_does_the_same(cast: Cast) -> None:
    one = known()
    made = cast.editor.post("/v1/identities/claimed-devices", {"claimToken": one.token})
    assert made.status == 201
    for below in ("", "/provisioning", "/explain", "/timeline"):
        assert cast.viewer.get(f"/v1/identities/claimed-devices/{one.id}{below}").status == 200
    assert cast.editor.delete(f"/v1/identities/claimed-devices/{one.id}").status == 204
    assert cast.viewer.get("/v1/identities/tenant").status == 404
    assert cast.viewer.get("/v1/identities/identity-keys/x").status == 404


def test_a_claim_with_an_idempotency_key_is_made_once(cast: Cast) -> None:
    body = {"claimToken": known().token}
    first = cast.editor.post(DEVICES, body, Idempotency_Key="k")
    again = cast.editor.post(DEVICES, body, Idempotency_Key="k")
    assert (first.status, again.status, again.body) == (201, 201, first.body)


def test_an_unclaimed_device_is_claimed_anew_and_has_nothing_of_before(cast: Cast) -> None:
    one = known()
    claim(cast.editor, one, "old")
    cast.editor.commands(one.id, CONFIG)
    assert cast.editor.delete(f"{DEVICES}/{one.id}").status == 204
    made = claim(cast.stranger, one)
    assert (made.status, made.body["tags"], made.body["pendingCommands"]) == (201, [], 0)
    assert len(cast.stranger.get(f"{DEVICES}/{one.id}/timeline").body["items"]) == 1


def test_unclaiming_keeps_what_was_imported_and_forgets_what_was_learnt(cast: Cast) -> None:
    one = known()
    claim(cast.editor, one)
    IdentityKey.objects.create(device_id=one.uuid, public_key=make.public_pem(make.p256()), learnt=True)
    cast.editor.delete(f"{DEVICES}/{one.id}")
    assert list(IdentityKey.objects.values_list("public_key", "learnt")) == [(one.pem, False)]


# ---- a dry run


def test_a_dry_run_says_that_it_would_work_and_changes_nothing(cast: Cast) -> None:
    one = known()
    before = everything()
    answer = cast.editor.post(DRY, {"claimToken": one.token, "tags": ["a"]})
    assert (answer.status, answer.body) == (202, {"message": "The device can be claimed."})
    assert cast.editor.post(DRY, {"name": "x"}, Idempotency_Key="k").body == {
        "message": "The device can be defined."
    }
    assert everything() == before
    assert cast.editor.post(f"{DEVICES}?dryrun=false", {"claimToken": one.token}).status == 201


def test_a_dry_run_is_refused_as_the_real_thing_would_be(cast: Cast) -> None:
    one = known()
    claim(cast.stranger, one)
    bodies: list[dict[str, Any]] = [
        {"claimToken": one.token},
        {"claimToken": modem().token},
        {"claimToken": "x"},
        {"claimToken": known().token, "tags": [""]},
        {"serialNumber": "x" * 101},
    ]
    for body in bodies:
        dry, real = cast.editor.post(DRY, body), cast.editor.post(DEVICES, body)
        assert dry.status == real.status >= 400, body
        assert dry.body == real.body


@pytest.mark.parametrize("value", ["", "1", "yes", "TRUE", "true&dryrun=true"])
def test_a_dry_run_is_true_or_false(cast: Cast, value: str) -> None:
    answer = cast.editor.post(f"{DEVICES}?dryrun={value}", {"claimToken": known().token})
    assert (answer.status, answer.fields) == (400, ["dryrun"])
    assert not Device.objects.exists()


# ---- tokens that are none


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "Must not be empty"),
        ("nonsense", "not the CBOR of an attestation token"),
        ("x" * 5000, "at most 4096 characters"),
        (SAMPLE[:-4], "Copy all of the text"),
        (make.attestation(make.p256(), make.identity(UUID(int=1)), key_id=-4), "identity key"),
        (make.attestation(make.p256(), make.identity(UUID(int=0))), "all zeros"),
    ],
    ids=range(6),
)
def test_what_is_no_identity_token_is_told_why(cast: Cast, token: str, words: str) -> None:
    answer = cast.editor.post(DEVICES, {"claimToken": token})
    assert (answer.status, answer.body["code"], answer.fields) == (400, "INVALID", ["claimToken"])
    assert words in answer.message
    assert not Device.objects.exists()


@pytest.mark.parametrize("token", [None, 7, ["x"], {"a": 1}, True])
def test_a_token_is_a_text(cast: Cast, token: object) -> None:
    answer = cast.editor.post(DEVICES, {"claimToken": token})
    assert (answer.status, answer.fields) == (400, ["claimToken"])


def test_a_claim_takes_a_token_and_tags_alone(cast: Cast) -> None:
    answer = cast.editor.post(DEVICES, {"claimToken": known().token, "name": "x", "tags": "a"})
    assert (answer.status, answer.fields) == (400, ["name", "tags"])
    assert not Device.objects.exists()


# ---- what a claim must prove


def test_a_token_that_another_key_signed_is_refused(cast: Cast, sandbox: Person) -> None:
    one = known()
    for proof in ("known", "first-use", "off"):
        with override_settings(KEYSEED_CLAIM_PROOF=proof):
            answer = sandbox.post(DEVICES, {"claimToken": one.signed_by(make.p256())})
        assert (answer.status, answer.body["code"], answer.fields) == (400, "INVALID", ["claimToken"])
        assert "does not verify" in answer.message
        assert one.id in answer.message
    assert not Device.objects.exists()


def test_a_device_of_which_no_key_is_known_is_not_provable(cast: Cast) -> None:
    answer = cast.editor.post(DEVICES, {"claimToken": SAMPLE})
    assert (answer.status, answer.body["code"]) == (409, "CLAIM_NOT_PROVABLE")
    for way in ("manage.py identity_keys import", "POST /v1/identity-keys", "KEYSEED_CLAIM_PROOF=first-use"):
        assert way in answer.message
    assert not Device.objects.exists()


def test_a_learnt_key_proves_no_claim(cast: Cast) -> None:
    one = modem()
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem, learnt=True)
    assert claim(cast.editor, one).body["code"] == "CLAIM_NOT_PROVABLE"


@pytest.mark.parametrize("proof", ["first-use", "off"])
def test_the_only_tenant_may_claim_without_proof(cast: Cast, proof: str) -> None:
    Tenant.objects.filter(id=cast.stranger.tenant.id).delete()
    with override_settings(KEYSEED_CLAIM_PROOF=proof):
        made = cast.editor.post(DEVICES, {"claimToken": SAMPLE})
    assert (made.status, made.body["ownershipStatus"]) == (201, "UNPROVEN")
    assert made.body["id"] == "50363154-3931-44f0-8022-121b6401627d"
    assert (made.body["deviceType"], made.body["firmwareId"]) == ("nrf9160_SICA", str(FIRMWARE))
    assert TimelineEntry.objects.get().data["proof"] == "unproven"


def test_with_a_neighbour_only_a_sandbox_may(cast: Cast, first_use: None) -> None:
    one = modem()
    assert claim(cast.editor, one).body["code"] == "CLAIM_NOT_PROVABLE"
    Tenant.objects.filter(id=cast.editor.tenant.id).update(sandbox=True)
    assert claim(cast.stranger, one).body["code"] == "CLAIM_NOT_PROVABLE"
    assert claim(cast.editor, one).body["ownershipStatus"] == "UNPROVEN"


def test_a_sandbox_needs_proof_where_everybody_does(cast: Cast) -> None:
    Tenant.objects.update(sandbox=True)
    assert claim(cast.editor, modem()).body["code"] == "CLAIM_NOT_PROVABLE"


def test_a_proven_claim_is_one_also_where_none_is_needed(cast: Cast, sandbox: Person) -> None:
    assert claim(sandbox, known()).body["ownershipStatus"] == "IDENTIFIED"


# ---- who has the device


def test_ones_own_device_is_claimed_once(cast: Cast) -> None:
    one = known()
    claim(cast.editor, one)
    answer = claim(cast.owner, one)
    assert (answer.status, answer.body["code"]) == (409, "CLAIMED_ALREADY")
    assert f"DELETE /v1/claimed-devices/{one.id}" in answer.message


def test_anothers_device_stays_anothers(cast: Cast) -> None:
    one = known()
    claim(cast.editor, one, "secret tag")
    before = everything()
    answer = claim(cast.stranger, one)
    assert (answer.status, answer.body["code"]) == (409, "CLAIMED_BY_ANOTHER")
    assert "must unclaim it" in answer.message
    for hidden in ("here", str(cast.editor.tenant.id), "secret tag"):
        assert hidden not in str(answer.body)
    assert everything() == before


def test_who_proves_nothing_does_not_learn_whether_a_device_is_claimed(cast: Cast) -> None:
    held, free = known(), known()
    claim(cast.editor, held)
    forged = [cast.stranger.post(DEVICES, {"claimToken": one.signed_by(make.p256())}) for one in (held, free)]
    assert forged[0].status == forged[1].status == 400
    assert forged[0].message.replace(held.id, "") == forged[1].message.replace(free.id, "")
    nobodys = modem()
    unknown = claim(cast.stranger, nobodys)
    IdentityKey.objects.filter(device_id=held.uuid).delete()
    hidden = claim(cast.stranger, held)
    assert hidden.body["code"] == "CLAIM_NOT_PROVABLE"
    assert hidden.message.replace(held.id, "") == unknown.message.replace(nobodys.id, "")


def test_an_unproven_claim_gives_way_to_a_proven_one_of_another(cast: Cast, sandbox: Person) -> None:
    one = modem()
    assert claim(sandbox, one, "theirs").status == 201
    sandbox.commands(one.id, CONFIG)
    sandbox.post(f"{DEVICES}/{one.id}/credentials", {"kind": "password"})
    IdentityKey.objects.create(device_id=one.uuid, public_key=make.public_pem(make.p256()), learnt=True)
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    OutboxRow.objects.all().delete()
    made = claim(cast.stranger, one, "ours")
    assert (made.status, made.body["ownershipStatus"], made.body["tags"]) == (201, "IDENTIFIED", ["ours"])
    assert sandbox.get(f"{DEVICES}/{one.id}").status == 404
    assert not Command.objects.exists()
    assert not Credential.objects.exists()
    assert not IdentityKey.objects.filter(learnt=True).exists()
    (entry,) = cast.stranger.get(f"{DEVICES}/{one.id}/timeline").body["items"]
    assert entry["data"]["what"] == "claimed"
    assert sorted(OutboxRow.objects.values_list("kind", "device_id")) == [
        ("credentials", one.uuid),
        ("kick", one.uuid),
    ]


def test_a_device_that_proved_what_its_first_owner_gave_gives_way_as_well(
    cast: Cast, sandbox: Person
) -> None:
    # Whoever claimed it without proof may have signed in by himself.
    one = modem()
    claim(sandbox, one)
    Device.objects.update(proved_at="2026-01-01T00:00:00Z")
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    assert claim(cast.stranger, one).status == 201


def test_a_dry_run_takes_nothing_away(cast: Cast, sandbox: Person) -> None:
    one = modem()
    claim(sandbox, one)
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    before = everything()
    assert cast.stranger.post(DRY, {"claimToken": one.token}).status == 202
    assert everything() == before


def test_an_unproven_claim_gives_way_to_no_other_unproven_one(cast: Cast, sandbox: Person) -> None:
    Tenant.objects.update(sandbox=True)
    one = modem()
    claim(sandbox, one)
    assert claim(cast.stranger, one).body["code"] == "CLAIMED_BY_ANOTHER"


def test_ones_own_unproven_claim_is_unclaimed_first(cast: Cast, sandbox: Person) -> None:
    one = modem()
    claim(sandbox, one)
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    assert claim(sandbox, one).body["code"] == "CLAIMED_ALREADY"


def test_a_defined_device_gives_way_to_nobody(cast: Cast) -> None:
    one = Modem(UUID(cast.editor.device()))
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    assert claim(cast.stranger, one).body["code"] == "CLAIMED_BY_ANOTHER"


# ---- two at once


@pytest.fixture
def two_connections(cast: Cast, redis: object) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time")


@pytest.mark.django_db(transaction=True)
def test_of_two_tenants_at_once_one_has_the_device(two_connections: None, cast: Cast) -> None:
    for _ in range(5):
        one, answers = known(), list[Answer]()
        people = (cast.editor, cast.stranger, cast.owner, cast.stranger)
        threads = [start(_claiming(person, one), answers) for person in people]
        for thread in threads:
            thread.join(20)
        assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
        assert Device.objects.filter(id=one.uuid).count() == 1
        told = {answer.body["code"] for answer in answers if answer.status == 409}
        assert told == {"CLAIMED_ALREADY", "CLAIMED_BY_ANOTHER"}


def _claiming(person: Person, one: Modem) -> Callable[[], Answer]:
    return lambda: claim(person, one)


@pytest.mark.django_db(transaction=True)
def test_who_was_quicker_is_seen_by_who_waited(two_connections: None, cast: Cast) -> None:
    one, answers = known(), list[Answer]()
    with transaction.atomic():
        assert claim(cast.editor, one).status == 201
        thread = start(_claiming(cast.stranger, one), answers)
        wait_for_a_waiter()
    thread.join(20)
    assert [(a.status, a.body["code"]) for a in answers] == [(409, "CLAIMED_BY_ANOTHER")]


@pytest.mark.django_db(transaction=True)
def test_the_holder_waits_for_a_claim_that_takes_over(
    two_connections: None, cast: Cast, sandbox: Person
) -> None:
    one, answers = modem(), list[Answer]()
    claim(sandbox, one)
    IdentityKey.objects.create(device_id=one.uuid, public_key=one.pem)
    with transaction.atomic():
        assert claim(cast.stranger, one).status == 201
        thread = start(lambda: sandbox.patch(f"{DEVICES}/{one.id}", {"name": "mine"}), answers)
        wait_for_a_waiter()
    thread.join(20)
    assert answers[0].status == 404
    assert cast.stranger.get(f"{DEVICES}/{one.id}").body["name"] == ""
