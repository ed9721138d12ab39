"""What the dynamic security plugin has lost, or has and should not, is mended; the work is done in this process."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_library
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from commands import services
from devices import services as device_services
from devices.models import OutboxRow
from provisioning import brokers, checks, outbox
from provisioning.dynsec import broker as dynsec
from provisioning.dynsec.broker import Dynsec
from provisioning.dynsec.control import NotDone
from tests.mosquitto.clients import refused
from tests.mosquitto.conftest import Owned
from tests.mosquitto.dynsec.conftest import DynsecInstallation
from tests.pipeline.cast import WHO
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def told(installation: DynsecInstallation, healthy: Owned, neighbour: Owned) -> Iterator[Dynsec]:
    """This process tells the plugin; the two devices are known to it."""
    made = Dynsec(installation.admin_url)
    brokers.use(made)
    outbox.carry_out()
    yield made
    brokers.use(None)
    made._control.close()


def let_in(owned: Owned) -> bool:
    return not refused(owned.port, owned.id, owned.password)


def restarted(installation: DynsecInstallation, file: Path | None = None) -> None:
    """Mosquitto comes back with this file, or with one that knows no device."""
    installation.broker.stop()
    if file:
        shutil.copy(file, installation.broker.file)
    else:
        known = json.loads(installation.broker.file.read_text())
        known["clients"] = [
            one for one in known["clients"] if one["username"].startswith(("gateway", "keys"))
        ]
        known["roles"] = [one for one in known["roles"] if one["rolename"].startswith("keyseed")]
        installation.broker.file.write_text(json.dumps(known))
    installation.broker.start()


def test_a_change_reaches_it(healthy: Owned) -> None:
    assert let_in(healthy)
    services.block(healthy.device.tenant_id, healthy.device.id, WHO)
    outbox.carry_out()
    assert not let_in(healthy)


def test_an_old_file_lets_nobody_in_again(
    installation: DynsecInstallation, healthy: Owned, neighbour: Owned, tmp_path: Path
) -> None:
    """Blocked or deleted since: the next look at a broker that was away shuts them out."""
    old = Path(shutil.copy(installation.broker.file, tmp_path / "old"))
    services.block(healthy.device.tenant_id, healthy.device.id, WHO)
    device_services.delete(neighbour.device.tenant_id, neighbour.device.id)
    outbox.carry_out()
    restarted(installation, old)
    assert let_in(healthy)
    assert let_in(neighbour)
    outbox.carry_out()
    assert not let_in(healthy)
    assert not let_in(neighbour)
    services.unblock(healthy.device.tenant_id, healthy.device.id, WHO)
    outbox.carry_out()
    assert let_in(healthy)


def test_a_broker_that_lost_all_gets_new_passwords_only(
    installation: DynsecInstallation, healthy: Owned, neighbour: Owned, caplog: pytest.LogCaptureFixture
) -> None:
    """A hash cannot be told: what to do is in the log, and the file from the database is one way."""
    restarted(installation)
    with caplog.at_level(logging.WARNING):
        outbox.carry_out()
    assert "manage.py dynsec_file" in caplog.text
    assert healthy.id in caplog.text
    assert not let_in(healthy)
    new = healthy.renewed()
    outbox.carry_out()
    assert let_in(new)
    assert not let_in(neighbour)
    installation.fill()
    assert let_in(new)
    assert let_in(neighbour)


def test_a_blocked_device_is_in_the_file_and_out_of_the_broker(
    installation: DynsecInstallation, healthy: Owned
) -> None:
    services.block(healthy.device.tenant_id, healthy.device.id, WHO)
    installation.fill()
    assert not let_in(healthy)
    services.unblock(healthy.device.tenant_id, healthy.device.id, WHO)
    outbox.carry_out()
    assert let_in(healthy)


def test_rights_that_somebody_added_are_taken_away(told: Dynsec, healthy: Owned, neighbour: Owned) -> None:
    control = told._control
    control.do(
        [
            {
                "command": "addRoleACL",
                "rolename": f"device {healthy.id}",
                "acltype": "subscribePattern",
                "topic": "#",
                "priority": 1,
                "allow": True,
            },
            {
                "command": "addClientRole",
                "username": healthy.id,
                "rolename": f"device {neighbour.id}",
                "priority": 2,
            },
        ]
    )
    told.credentials_changed()
    client, role = control.ask(
        [
            {"command": "getClient", "username": healthy.id},
            {"command": "getRole", "rolename": f"device {healthy.id}"},
        ]
    )
    assert f"device {neighbour.id}" not in json.dumps(client)
    assert '"#"' not in json.dumps(role)


def test_users_that_are_no_devices_stay(told: Dynsec) -> None:
    told._control.do([{"command": "createClient", "username": "monitor", "password": "of-somebody-else"}])
    told.credentials_changed()
    assert "error" not in told._control.ask([{"command": "getClient", "username": "monitor"}])[0]


def test_what_does_not_fit_into_one_call_follows(
    told: Dynsec, healthy: Owned, neighbour: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.block(healthy.device.tenant_id, healthy.device.id, WHO)
    monkeypatch.setattr(dynsec, "SECONDS", 0.0)
    with pytest.raises(NotDone, match="the rest follows"):
        told.credentials_changed()
    assert let_in(healthy)
    monkeypatch.undo()
    outbox.carry_out()
    assert not let_in(healthy)


def test_a_password_waits_sealed_until_it_is_told(
    installation: DynsecInstallation, healthy: Owned, redis: Redis, settings: Settings
) -> None:
    new = healthy.renewed()
    rows = OutboxRow.objects.filter(device_id=healthy.device.id).exclude(secret="")
    assert rows.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(row_to_json(o) AS text) FROM devices_outboxrow o")
        assert new.password not in str(cursor.fetchall())
    store = redis_library.Redis.from_url(settings.CELERY_BROKER_URL)
    kept = [store.dump(key) or b"" for key in store.scan_iter()]
    assert not any(new.password.encode() in value for value in kept)
    installation.broker.stop()
    outbox.carry_out()
    assert rows.count() == 1, "a broker that is away is told later"
    assert new.password not in str(list(OutboxRow.objects.values_list("error", flat=True)))
    installation.broker.start()
    OutboxRow.objects.update(due_at=healthy.device.row.claimed_at)
    outbox.carry_out()
    assert let_in(new)
    assert not OutboxRow.objects.exclude(secret="").exists()


def test_no_password_waits_where_no_plugin_is_configured(healthy: Owned, settings: Settings) -> None:
    settings.KEYSEED_MOSQUITTO_DYNSEC = ""
    healthy.renewed()
    assert not OutboxRow.objects.exclude(secret="").exists()


@pytest.mark.parametrize(
    ("url", "folder", "ids"),
    [
        ("mqtt://admin:secret@host", "", []),
        ("", "/mosquitto", []),
        ("mqtt://host", "", ["keyseed.E015"]),
        ("1", "", ["keyseed.E015"]),
        ("mqtt://admin:secret@host", "/mosquitto", ["keyseed.E016"]),
    ],
)
def test_the_settings_are_checked(settings: Settings, url: str, folder: str, ids: list[str]) -> None:
    settings.KEYSEED_MOSQUITTO_DYNSEC, settings.KEYSEED_MOSQUITTO_DIR = url, folder
    assert [message.id for message in checks.dynsec()] == ids


# ---- the file


def test_a_file_that_is_there_is_not_replaced_unasked(installation: DynsecInstallation) -> None:
    with pytest.raises(CommandError, match="--replace"):
        call_command("dynsec_file", str(installation.broker.file))


def test_the_file_needs_the_plugins_admin(tmp_path: Path, settings: Settings) -> None:
    settings.KEYSEED_MOSQUITTO_DYNSEC = "mqtt://127.0.0.1"
    with pytest.raises(CommandError, match="KEYSEED_MOSQUITTO_DYNSEC needs a user"):
        call_command("dynsec_file", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_the_file_holds_hashes_for_nobody_else(tmp_path: Path, healthy: Owned) -> None:
    call_command("dynsec_file", str(tmp_path / "new"), verbosity=0)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert healthy.password not in (tmp_path / "new").read_text()
