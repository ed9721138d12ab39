"""A batch costs the same number of SQL statements for one device and for two hundred: law 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commands import services
from provisioning import conversation
from provisioning.messages import Inbound
from tests.pipeline import cast
from tests.pipeline.cast import CLOUD_KEY, CONFIG, FINISHED, Device

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN_AND_COMMIT = 2
HOLD_AND_READ = 2
"""The devices' rows, their runs."""
CONTENTS = 1
WRITE = 3
"""The changed commands, the devices' rows, the timeline."""
REGISTER_KEYS = 3
"""The old keys expire, the new ones stand, the devices are activated."""

FLEETS = (1, 200)


@pytest.fixture(params=FLEETS, ids=lambda count: f"{count} devices")
def devices(request: pytest.FixtureRequest) -> list[Device]:
    return cast.fleet(cast.owner(), request.param)


def statements(messages: Sequence[Inbound]) -> list[str]:
    """The verbs of what one batch of these messages costs."""
    with CaptureQueriesContext(connection) as captured:
        conversation.converse(messages)
    return [query["sql"].split()[0] for query in captured.captured_queries]


def served(devices: Sequence[Device]) -> list[tuple[Device, list[str]]]:
    """The devices with the correlation ids that they were given."""
    said = cast.by_device(conversation.converse([device.get() for device in devices]))
    return [(device, said[device.id].commands) for device in devices]


def test_gets_cost_eight(devices: list[Device]) -> None:
    for device in devices:
        device.add(CONFIG, FINISHED)
    found = statements([device.get() for device in devices])
    assert len(found) == 8 == BEGIN_AND_COMMIT + HOLD_AND_READ + CONTENTS + WRITE


def test_results_cost_seven(devices: list[Device]) -> None:
    for device in devices:
        device.add(CONFIG, FINISHED)
    results = [device.results(dict.fromkeys(ids)) for device, ids in served(devices)]
    assert len(statements(results)) == 7 == BEGIN_AND_COMMIT + HOLD_AND_READ + WRITE
    assert {device.row.status for device in devices} == {"PROVISIONED"}


def test_everything_at_once_costs_eleven(devices: list[Device]) -> None:
    """Every device answers a cloud key, asks again, and sends nonsense; some are blocked, some nobody's."""
    tenant = cast.owner()
    for device in devices:
        device.add(CLOUD_KEY, CONFIG, FINISHED)
    answered = served(devices)
    blocked = cast.fleet(tenant, len(devices), CONFIG)
    for device in blocked:
        services.block(device.tenant_id, device.id, cast.WHO)
    messages = [*_mixed(answered), *(device.get() for device in blocked), *_strangers(len(devices))]
    assert len(statements(messages)) == 11 == BEGIN_AND_COMMIT + HOLD_AND_READ + CONTENTS + WRITE + REGISTER_KEYS
    assert all(device.row.status == "PROVISIONING" for device in devices)
    assert all(device.row.provisioning_state == "ACTIVATED" for device in devices)


def _mixed(answered: Sequence[tuple[Device, list[str]]]) -> Iterator[Inbound]:
    for number, (device, ids) in enumerate(answered):
        key = {"publicKey": cast.made()[number % material_count()].public_key}
        yield device.results({ids[0]: key, ids[1]: None})
        yield device.get()
        yield device.says("get", b'{"limit": "many"}')
        yield Inbound(device.topic("morse/get"), b"...", device.get().received)


def material_count() -> int:
    return len(cast.made())


def _strangers(count: int) -> Iterator[Inbound]:
    for number in range(count):
        nobody = Device(cast.owner().id, cast.UUID(int=number))
        yield nobody.get()
    yield Inbound("prov/v1/not-an-id/json/get", b"", nobody.get().received)
