"""An owner, an operator and the device itself at once: no deadlock, nothing lost, the status holds: law 9."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from commands import run, services, store
from commands.limits import MAX_OPEN
from commands.models import Command
from devices import credentials
from devices import services as device_services
from devices import store as devices
from devices.models import Credential
from provisioning import conversation, housekeeping
from tenants.errors import Refusal
from tests.pipeline import cast
from tests.pipeline.cast import CLOUD_KEY, CONFIG, FINISHED, SHARED_KEY, WHO, Device
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

SECONDS = 4.0
CLOSED = {"SUCCEEDED", "FAILED", "SKIPPED"}


def first(device: Device) -> UUID:
    return Command.objects.filter(device_id=device.id).order_by("position")[0].id


def new_password(device: Device) -> None:
    with transaction.atomic():
        credentials.add_password(device.tenant_id, device.id, 60, WHO)


def new_key(device: Device) -> None:
    with transaction.atomic():
        credentials.add_public_key(device.tenant_id, device.id, cast.made()[0].public_key, 60, WHO)


def revoke(device: Device) -> None:
    found = Credential.objects.filter(device_id=device.id).first()
    if found is not None:
        with transaction.atomic():
            credentials.revoke(device.tenant_id, device.id, found.id, WHO)


def retag(device: Device) -> None:
    device_services.change(device.tenant_id, device.id, {"name": "pump"}, ["a", "b"], WHO)


REPAIRS: dict[str, Callable[[Device], object]] = {
    "add": lambda device: device.add(CONFIG, SHARED_KEY),
    "add finished": lambda device: device.add(CLOUD_KEY, FINISHED),
    "skip": lambda device: services.skip(device.tenant_id, device.id, first(device), WHO),
    "delete": lambda device: services.delete(device.tenant_id, device.id, first(device), WHO),
    "reset": lambda device: services.reset(device.tenant_id, device.id, first(device), WHO),
    "reset all": lambda device: services.reset_all(device.tenant_id, device.id, WHO),
    "block": lambda device: services.block(device.tenant_id, device.id, WHO),
    "unblock": lambda device: services.unblock(device.tenant_id, device.id, WHO),
    "password": new_password,
    "key": new_key,
    "revoke": revoke,
    "tags": retag,
}


# ---- one at a time: who holds the row


CHANGES = {**REPAIRS, "get": lambda device: conversation.converse([device.get()])}


@pytest.mark.parametrize("repair", CHANGES.values(), ids=CHANGES.keys())
def test_whoever_changes_a_device_waits_for_its_row(
    repair: Callable[[Device], object], postgres: Postgres
) -> None:
    """And asks for it before it reads anything that the holder may be changing."""
    device = cast.device(cast.owner(), CONFIG)
    new_password(device)
    if repair is REPAIRS["unblock"]:
        services.block(device.tenant_id, device.id, WHO)
    with psycopg.connect(postgres.url_of(str(connection.settings_dict["NAME"]))) as other:
        other.execute("SELECT 1 FROM devices_device WHERE id = %s FOR UPDATE", [device.id])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        try:
            with (
                CaptureQueriesContext(connection) as captured,
                pytest.raises(OperationalError, match="lock timeout"),
            ):
                repair(device)
        finally:
            connection.close()
    inside = [query["sql"] for query in captured.captured_queries]
    inside = inside[inside.index("BEGIN") + 1 :]
    assert inside[0].startswith("SELECT")
    assert "FOR NO KEY UPDATE" in inside[0]
    assert "devices_device" in inside[0]


def test_the_list_is_never_longer_than_allowed_whoever_adds(redis: object) -> None:
    device = cast.device(cast.owner())
    codes: list[str] = []

    def add(number: int) -> bool:
        try:
            device.add(CONFIG)
        except Refusal as refused:
            codes.append(refused.code)
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(MAX_OPEN + 12)))
    assert added.count(True) == MAX_OPEN
    assert codes == ["QUEUE_FULL"] * 12
    positions = (
        Command.objects.filter(device_id=device.id).order_by("position").values_list("position", flat=True)
    )
    assert list(positions) == list(range(1, MAX_OPEN + 1))
    assert device.row.pending == MAX_OPEN


# ---- all at once


@dataclass
class Fray:
    """Devices that many threads change, and what each of them was told."""

    devices: list[Device]
    until: float
    stored: list[tuple[UUID, int]] = field(default_factory=list)
    added: list[tuple[UUID, UUID]] = field(default_factory=list)
    deleted: list[UUID] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    clock: int = 0

    def owner(self, dice: random.Random) -> None:
        device = dice.choice(self.devices)
        name = dice.choice(list(REPAIRS))
        try:
            if name.startswith("add"):
                added: list[UUID] = REPAIRS[name](device)  # type: ignore[assignment]
                self.added += [(device.id, command_id) for command_id in added]
            elif name == "delete":
                command_id = first(device)
                services.delete(device.tenant_id, device.id, command_id, WHO)
                self.deleted.append(command_id)
            else:
                REPAIRS[name](device)
            self.done[name] += 1
        except (Refusal, IndexError):
            self.done["refused"] += 1

    def newcomer(self, dice: random.Random) -> None:
        """A device comes, another one goes, maybe in the middle of a conversation."""
        place = dice.randrange(len(self.devices))
        gone, self.devices[place] = self.devices[place], cast.device(cast.owner(), CONFIG, FINISHED)
        device_services.delete(gone.tenant_id, gone.id)
        self.done["deleted device"] += 1
        time.sleep(0.05)

    def worker(self, dice: random.Random) -> None:
        """A batch of some devices: all ask, and answer what they were told before."""
        chosen = dice.sample(self.devices, 4)
        self.clock += 2
        # Stamps far enough apart that nobody is throttled.
        asked = timezone.now() + timedelta(seconds=self.clock)
        said = cast.heard(conversation.converse([device.get(asked) for device in chosen]))
        results = [
            device.results(
                {name: _word(kind, dice) for name, kind in _told(one)}, asked + timedelta(seconds=1)
            )
            for one in said
            for device in chosen
            if device.id == one.device_id and one.verb == "commands" and one.commands
        ]
        for one in cast.heard(conversation.converse(results)):
            words = one.body.get("results", {})
            self.stored += [_read(name) for name, word in words.items() if word == "stored"]
        self.done["batches"] += 1

    def housekeeper(self, dice: random.Random) -> None:
        Credential.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
        housekeeping.run()
        self.done["housekeeping"] += 1
        time.sleep(0.1)

    def join(self, acts: Sequence[Callable[[random.Random], None]]) -> None:
        threads = [threading.Thread(target=self._keep, args=(act, seed)) for seed, act in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _keep(self, act: Callable[[random.Random], None], seed: int) -> None:
        dice = random.Random(seed)
        try:
            while time.monotonic() < self.until:
                act(dice)
        except Exception as error:  # noqa: BLE001 - the test looks at all of them
            self.troubles.append(error)
        finally:
            connection.close()


def _told(said: cast.Said) -> list[tuple[str, str]]:
    return [(command["id"], command["type"]) for command in said.body["commands"]]


def _word(kind: str, dice: random.Random) -> object:
    if dice.random() < 0.2:
        return 5
    return {"publicKey": dice.choice(cast.made()).public_key} if kind == "cloudAccessKeyGeneration" else None


def _read(name: str) -> tuple[UUID, int]:
    command_id, _, attempt = name.partition(".")
    return UUID(command_id), int(attempt, 16)


@pytest.mark.timeout(60)
def test_owners_devices_and_housekeeping_at_once(postgres: Postgres) -> None:
    deadlocks = postgres.log_text().count("deadlock detected")
    fray = Fray(cast.fleet(cast.owner(), 8, CONFIG, SHARED_KEY, FINISHED), time.monotonic() + SECONDS)
    fray.join([*[fray.owner] * 3, *[fray.worker] * 3, fray.newcomer, fray.housekeeper])
    assert fray.troubles == []
    assert postgres.log_text().count("deadlock detected") == deadlocks
    assert (
        min(fray.done[name] for name in ("batches", "add", "reset", "housekeeping", "deleted device")) > 3
    ), fray.done

    rows = {row.id: row for row in Command.objects.all()}
    here = {device.id for device in fray.devices}
    for device in fray.devices:
        _assert_sound(device)
    added = {command_id for device_id, command_id in fray.added if device_id in here}
    assert added - set(fray.deleted) <= set(rows)
    assert set(fray.deleted) & set(rows) == set()
    repeated = [name for name, count in Counter(fray.stored).items() if count > 1]
    assert [
        name for name in repeated if rows.get(name[0]) and rows[name[0]].type != "cloudAccessKeyGeneration"
    ] == []
    for command_id, attempt in fray.stored:
        row = rows.get(command_id)
        if row is None:
            continue  # its device was deleted
        assert row.attempt > attempt or (row.attempt == attempt and row.status in CLOSED), (
            row.status,
            row.attempt,
        )
    assert {row.device_id for row in rows.values()} <= here


def _assert_sound(device: Device) -> None:
    device.assert_status_holds()
    row = devices.row(device.row)
    held = store.load({device.id: row})[device.id].run
    assert row.pending == len(run.servable(held))
    finished = Command.objects.filter(device_id=device.id, type="finished", status="SUCCEEDED")
    last = finished.order_by("-position").values_list("position", flat=True).first()
    assert row.closed_through == (last or 0)
