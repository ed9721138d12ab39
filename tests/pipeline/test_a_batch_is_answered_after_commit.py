"""What a device is told is stored, whatever becomes of the answer: law 4."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from commands.models import Command
from provisioning import publisher, tasks
from provisioning.tasks import pack
from tests.pipeline import cast
from tests.pipeline.cast import CONFIG, FINISHED, Device
from tests.pipeline.wire import Wire
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture
def wire(mosquitto: Mosquitto) -> Iterator[Wire]:
    with Wire(settings.MQTT_URL) as opened:
        yield opened
    publisher.current().close()


@contextmanager
def at_commit(what: str) -> Iterator[None]:
    """Every commit that wrote a command does `what` first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {what}; RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON commands_command DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION at_commit()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION at_commit CASCADE")


def states(device: Device) -> set[str]:
    return set(Command.objects.filter(device_id=device.id).values_list("status", flat=True))


def test_an_answer_is_not_sent_while_its_commit_takes_its_time(wire: Wire, postgres: Postgres) -> None:
    """When the answer is there, everybody can read what it says."""
    devices = cast.fleet(cast.owner(), 3, CONFIG, FINISHED)
    seen: list[set[tuple[UUID, str]]] = []

    def look() -> None:
        with psycopg.connect(postgres.url_of(str(connection.settings_dict["NAME"]))) as other:
            seen.append(set(other.execute("SELECT device_id, status FROM commands_command").fetchall()))

    wire.at_arrival = look
    with at_commit("PERFORM pg_sleep(0.1)"):
        tasks.inbound([pack(device.get()) for device in devices])
        wire.wait_for(3)
    assert seen[0] == {(device.id, "IN_PROGRESS") for device in devices}


def test_nothing_is_answered_as_stored_that_could_not_be_committed(wire: Wire) -> None:
    devices = cast.fleet(cast.owner(), 3, CONFIG, FINISHED)
    with at_commit("RAISE 'no'"):
        tasks.inbound([pack(device.get()) for device in devices])
        said = wire.wait_for(3)
    assert {(one.verb, one.body["code"]) for one in said} == {("rejected", "INTERNAL")}
    assert [states(device) for device in devices] == [{"PENDING"}] * 3


def test_what_is_stored_stays_when_the_answer_cannot_be_sent(wire: Wire, mosquitto: Mosquitto) -> None:
    device = cast.device(cast.owner(), CONFIG, FINISHED)
    tasks.inbound([pack(device.get())])
    (first,) = wire.wait_for(1)
    results = device.results(dict.fromkeys(first.commands))
    wire.forget()
    mosquitto.stop()
    try:
        tasks.inbound([pack(results)])
    finally:
        mosquitto.start()
    assert device.row.status == "PROVISIONED"
    with Wire(settings.MQTT_URL) as again:
        tasks.inbound([pack(device.results(dict.fromkeys(first.commands)))])
        (said,) = again.wait_for(1)
    assert set(said.body["results"].values()) == {"duplicate"}
    assert said.body["status"] == "PROVISIONED"
