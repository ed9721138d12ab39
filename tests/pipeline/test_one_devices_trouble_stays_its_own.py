"""A message that cannot be handled costs nothing to its neighbours in the batch: law 6."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from commands.models import Command
from pki.sealing import Sealer
from provisioning import batches
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, PSK, SHARED_KEY, Device

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

MARK = "what-the-device-said"
INTEGER_MOST = 2_147_483_647
Trouble = Callable[[Device], object]


def first(device: Device, **fields: object) -> None:
    """Writes behind Keyseed's back what no rule of it would."""
    Command.objects.filter(device_id=device.id, position=1).update(**fields)


TROUBLES: dict[str, Trouble] = {
    "the key of its secret is gone": lambda device: first(
        device, secrets=Sealer([Fernet.generate_key().decode()]).seal({"secret": PSK})
    ),
    "its secret is gone": lambda device: first(device, secrets=None),
    "its command is of no type": lambda device: first(device, type="teleport"),
    "its error is no error": lambda device: first(device, error={"oops": PSK}),
    "a number of it leaves its column": lambda device: first(device, deliveries=INTEGER_MOST),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_one_cannot_be_handled_and_its_neighbours_are_served(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    devices = cast.fleet(cast.owner(), 7, SHARED_KEY, FINISHED)
    odd = devices[4]
    trouble(odd)
    with caplog.at_level(logging.DEBUG):
        said = cast.by_device(batches.handle([device.get(id=MARK) for device in devices]))
    assert said.keys() == {device.id for device in devices}
    for device in devices:
        if device is not odd:
            assert said[device.id].verb == "commands"
            assert len(said[device.id].commands) == 2
            assert device.row.status == "PROVISIONING"
            assert device.timeline("refused") == []
    assert (said[odd.id].verb, said[odd.id].body["code"]) == ("rejected", "INTERNAL")
    assert [entry["code"] for entry in odd.timeline("refused")] == ["INTERNAL"]
    assert odd.row.last_seen_at is None
    assert caplog.text
    assert MARK not in caplog.text
    assert PSK not in caplog.text
