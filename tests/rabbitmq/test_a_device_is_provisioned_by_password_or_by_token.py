"""On RabbitMQ a device gets, does and reports its commands over MQTT 3.1.1, whatever it signed in by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devices.status import Status
from tests.mosquitto.clients import Session
from tests.pipeline import cast
from tests.rabbitmq.conftest import TOKEN, Installation, Owned

pytestmark = pytest.mark.django_db(transaction=True)


def answer(session: Session, topic: str) -> dict[str, Any]:
    assert session.hears(topic), session.topics()
    return dict(json.loads(next(payload for heard, payload in session.heard if heard == topic)))


@pytest.mark.parametrize("by", ["password", "token"])
def test_it_gets_and_does_its_commands(installation: Installation, healthy: Owned, by: str) -> None:
    device = healthy.with_token() if by == "token" else healthy
    device.device.add(cast.FINISHED)
    with device.signed_in(device.topic("#")) as session:
        session.publish(device.topic("json/get"), b"{}")
        commands = answer(session, device.topic("json/commands"))["commands"]
        assert [command["type"] for command in commands] == ["config", "finished"]
        results = [{"id": command["id"], "ok": True} for command in commands]
        session.publish(device.topic("json/results"), json.dumps({"results": results}).encode())
        accepted = answer(session, device.topic("json/accepted"))
    assert set(accepted["results"].values()) == {"stored"}
    assert device.device.row.status == Status.PROVISIONED.value
    for log in (installation.web.text, installation.workers.text, installation.broker.log_text()):
        assert TOKEN not in log
        assert device.password not in log


def test_a_device_is_woken(healthy: Owned) -> None:
    with healthy.signed_in(healthy.topic("notify")) as session:
        healthy.device.add(cast.CONFIG)
        assert session.hears(healthy.topic("notify"))
