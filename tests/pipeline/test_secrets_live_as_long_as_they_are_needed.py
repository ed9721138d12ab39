"""A secret is sealed in the database until its device has it, its owner skips it, or it is too old: law 7."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from commands import services
from commands.catalogue import MASK
from commands.models import Command
from devices import services as device_services
from provisioning import batches, conversation, housekeeping
from tenants.errors import Refusal
from tests.pipeline import cast, planted
from tests.pipeline.cast import PSK, WHO, Device, Said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture
def device() -> Device:
    return cast.device(cast.owner(), *planted.commands())


def sealed(device: Device) -> list[bool]:
    """Of each command, whether the database still has its secrets."""
    found = Command.objects.filter(device_id=device.id).order_by("position")
    return [secrets is not None for secrets in found.values_list("secrets", flat=True)]


def ids(device: Device) -> list[UUID]:
    return list(Command.objects.filter(device_id=device.id).order_by("position").values_list("id", flat=True))


def served(device: Device) -> Said:
    (said,) = cast.heard(conversation.converse([device.get()]))
    return said


def params(said: Said) -> list[dict[str, object]]:
    return [command["params"] for command in said.body["commands"]]


def fail(device: Device) -> list[str]:
    """The device has them and could do the first one not."""
    found = served(device).commands
    conversation.converse([device.results({found[0]: 5})])
    return found


def age(device: Device, days: int) -> None:
    Command.objects.filter(device_id=device.id).update(closed_at=timezone.now() - timedelta(days=days))


def test_the_database_has_them_sealed_only(device: Device) -> None:
    assert sealed(device) == [True, True]
    assert planted.found_in(planted.database()) == []


def test_the_device_gets_them_as_they_are(device: Device) -> None:
    shared, key = params(served(device))
    assert shared["secret"] == PSK
    assert (key["content"], key["password"]) == (planted.private_key(), planted.PASSWORD)
    assert planted.found_in(planted.database()) == []


def test_they_are_erased_when_the_device_confirms(device: Device) -> None:
    first, second = served(device).commands
    conversation.converse([device.results({first: None})])
    assert sealed(device) == [False, True]
    conversation.converse([device.results({second: None})])
    assert sealed(device) == [False, False]


def test_they_are_erased_when_the_owner_skips(device: Device) -> None:
    fail(device)
    for command_id in ids(device):
        services.skip(device.tenant_id, device.id, command_id, WHO)
    assert sealed(device) == [False, False]


def test_they_go_with_the_command_and_with_the_device(device: Device) -> None:
    services.delete(device.tenant_id, device.id, ids(device)[0], WHO)
    assert sealed(device) == [True]
    device_services.delete(device.tenant_id, device.id)
    assert not Command.objects.exists()


def test_they_stay_with_a_failure_for_a_reset(device: Device) -> None:
    fail(device)
    assert sealed(device) == [True, True]
    services.reset(device.tenant_id, device.id, ids(device)[0], WHO)
    assert params(served(device))[0]["secret"] == PSK


def test_they_stay_with_a_failure_for_thirty_days(device: Device) -> None:
    fail(device)
    age(device, 29)
    housekeeping.run()
    assert sealed(device) == [True, True]
    age(device, 31)
    housekeeping.run()
    assert sealed(device) == [False, True], "the second is PENDING and still to come"


def test_once_erased_a_reset_needs_them_again(device: Device) -> None:
    fail(device)
    age(device, 31)
    housekeeping.run()
    first = ids(device)[0]
    with pytest.raises(Refusal, match="secret") as refused:
        services.reset(device.tenant_id, device.id, first, WHO)
    assert refused.value.code == "SECRETS_NEEDED"
    assert Command.objects.get(id=first).status == "FAILED"
    services.reset(device.tenant_id, device.id, first, WHO, {"secret": PSK})
    assert params(served(device))[0]["secret"] == PSK
    assert planted.found_in(planted.database()) == []


def test_a_mask_is_never_served_as_a_secret(device: Device) -> None:
    Command.objects.filter(device_id=device.id).update(secrets=None)
    (said,) = cast.heard(batches.handle([device.get()]))
    assert (said.verb, said.body["code"]) == ("rejected", "INTERNAL")
    assert device.row.status == "READY"


def test_the_requests_that_are_shown_have_masks(device: Device) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT request FROM commands_command ORDER BY position")
        shared, key = (str(request) for (request,) in cursor.fetchall())
    assert shared.count(MASK) == 1
    assert key.count(MASK) == 2
