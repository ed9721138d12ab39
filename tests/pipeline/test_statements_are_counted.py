"""A batch costs the same number of SQL statements for one device and for two hundred: law 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from commands.models import Command
from devices.status import ProvisioningState
from provisioning import conversation
from provisioning.messages import Inbound
from tests.pipeline import cast
from tests.pipeline.cast import CLOUD_KEY, CONFIG, FINISHED, Device

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

BEGIN_AND_COMMIT = 2
HOLD_AND_READ = 2
"""The devices' rows, their runs."""
RULES = 1
"""Whether any tenant has rules that its devices have not seen."""
GIVE = 9
"""Rules, tags, what was given, the rules held, their commands, the devices' fields; commands, marks, timeline."""
CONTENTS = 1
WRITE = 3
"""The changed commands, the devices' rows, the timeline."""
REGISTER_KEYS = 3
"""The old keys expire, the new ones stand, the devices are activated."""

FLEETS = (1, 200)


count_devices = pytest.mark.parametrize("count", FLEETS)


def statements(messages: Sequence[Inbound]) -> list[str]:
    """The verbs of what one batch of these messages costs."""
    with CaptureQueriesContext(connection) as captured:
        conversation.converse(messages)
    return [query["sql"].split()[0] for query in captured.captured_queries]


def served(devices: Sequence[Device]) -> list[tuple[Device, list[str]]]:
    """The devices with the correlation ids that they were given."""
    said = cast.by_device(conversation.converse([device.get() for device in devices]))
    return [(device, said[device.id].commands) for device in devices]


@count_devices
def test_gets_cost_nine(count: int) -> None:
    devices = cast.fleet(cast.owner(), count, CONFIG, FINISHED)
    found = statements([device.get() for device in devices])
    assert len(found) == 9 == BEGIN_AND_COMMIT + HOLD_AND_READ + RULES + CONTENTS + WRITE


@count_devices
def test_results_cost_eight(count: int) -> None:
    devices = cast.fleet(cast.owner(), count, CONFIG, FINISHED)
    results = [device.results(dict.fromkeys(ids)) for device, ids in served(devices)]
    assert len(statements(results)) == 8 == BEGIN_AND_COMMIT + HOLD_AND_READ + RULES + WRITE
    assert {device.row.status for device in devices} == {"PROVISIONED"}


@count_devices
def test_everything_at_once_costs_twelve(count: int) -> None:
    """Every device answers a cloud key, asks again, and sends nonsense; some are blocked, some nobody's."""
    devices = cast.fleet(cast.owner(), count, CLOUD_KEY, CONFIG, FINISHED)
    blocked = cast.fleet(cast.owner(), count, CONFIG, blocked=True)
    answered = served(devices)
    messages = [*_mixed(answered), *(device.get() for device in blocked), *_strangers(count)]
    cost = BEGIN_AND_COMMIT + HOLD_AND_READ + RULES + CONTENTS + WRITE + REGISTER_KEYS
    assert len(statements(messages)) == 12 == cost
    assert {device.row.status for device in devices} == {"PROVISIONING"}
    assert {device.row.provisioning_state for device in devices} == {ProvisioningState.ACTIVATED}
    assert {device.row.last_seen_at for device in blocked} == {None}


@count_devices
def test_rules_cost_nine_more_once_and_three_where_none_is_for_the_device(count: int) -> None:
    tenant = cast.owner()
    devices = cast.fleet(tenant, count, FINISHED)
    cast.tag(devices, "pumps", "north")
    for number in range(3):
        cast.rule(tenant, f"rule {number}", ["north"], CONFIG, {"config": {"id": "{{device.id}}"}})
    asked = BEGIN_AND_COMMIT + HOLD_AND_READ + RULES + CONTENTS + WRITE
    assert len(statements([device.get() for device in devices])) == 18 == asked + GIVE
    assert Command.objects.count() == count * 7
    later = timezone.now() + timedelta(seconds=2)
    assert len(statements([device.get(later) for device in devices])) == asked
    cast.rule(tenant, "another", ["south"], CONFIG)
    later += timedelta(seconds=2)
    assert len(statements([device.get(later) for device in devices])) == asked + 3
    later += timedelta(seconds=2)
    assert len(statements([device.get(later) for device in devices])) == asked


@count_devices
def test_rules_that_do_not_fit_cost_the_same(count: int) -> None:
    tenant = cast.owner()
    devices = cast.fleet(tenant, count, *[CONFIG] * 20)
    cast.tag(devices, "pumps")
    cast.rule(tenant, "one more", ["pumps"], CONFIG)
    found = statements([device.get() for device in devices])
    assert len(found) <= BEGIN_AND_COMMIT + HOLD_AND_READ + RULES + CONTENTS + WRITE + GIVE
    assert Command.objects.count() == count * 20


def _mixed(answered: Sequence[tuple[Device, list[str]]]) -> Iterator[Inbound]:
    for number, (device, ids) in enumerate(answered):
        key = {"publicKey": cast.made()[number % len(cast.made())].public_key}
        yield device.results({ids[0]: key, ids[1]: None})
        yield device.get()
        yield device.says("get", b'{"limit": "many"}')
        yield Inbound(device.topic("morse/get"), b"...", device.get().received)


def _strangers(count: int) -> Iterator[Inbound]:
    for number in range(count):
        nobody = Device(cast.owner().id, UUID(int=number))
        yield nobody.get()
    yield Inbound("prov/v1/not-an-id/json/get", b"", nobody.get().received)
