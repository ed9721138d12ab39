"""Stored secrets come under the first key while Keyseed serves; nothing is lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, models, transaction
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from commands import sealing
from commands.models import Command
from devices import store
from devices.models import DeviceCA, OutboxRow
from pki.sealing import CannotOpen, Sealer, new_key
from provisioning import sealed
from provisioning.sealed import COLUMNS
from tenants.models import Webhook
from tests.pipeline import cast, sealed_text
from tests.pipeline.cast import PSK, SHARED_KEY, Device

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

OLD, NEW = new_key(), new_key()


@pytest.fixture(autouse=True)
def _new_key_in_front(settings: Settings) -> None:
    settings.KEYSEED_FIELD_KEYS = [NEW, OLD]


def rotate(*arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("rotate_field_keys", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    """What it prints before it exits with 1, and why it does."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("rotate_field_keys", *arguments, stdout=out, stderr=out)
    assert error.value.returncode == 1
    return f"{out.getvalue()}{error.value}"


def fleet(count: int, key: str = OLD) -> list[Device]:
    """Devices with a secret each, sealed by this key."""
    with override_settings(KEYSEED_FIELD_KEYS=[key]):
        return cast.fleet(cast.owner(), count, SHARED_KEY)


def token(device: Device) -> str | None:
    return Command.objects.get(device_id=device.id).secrets


def tokens() -> dict[UUID, str | None]:
    return dict(Command.objects.values_list("id", "secrets"))


def opened_by(key: str, text: str | None) -> bool:
    assert text is not None
    try:
        return bool(Sealer([key]).open(text))
    except CannotOpen:
        return False


def one_of_each() -> None:
    """A row with a sealed value in every column that can have one."""
    now, tenant = timezone.now(), cast.owner()
    text = sealing.sealed({"secret": PSK})
    assert text is not None
    cast.device(tenant, SHARED_KEY)
    cast.rule(tenant, "all", ["pump"], SHARED_KEY)
    Webhook.objects.create(tenant=tenant, url="https://a.example", events=[], secret=text, created_at=now)
    DeviceCA.objects.create(certificate="x", private_key=text, created_at=now, ends_at=now)
    far = now + timedelta(days=1)
    OutboxRow.objects.create(kind="told", device_id=uuid4(), created_at=now, due_at=far, secret=text)


def every_token() -> dict[str, list[str]]:
    """All sealed values by their column."""
    return {
        column.title: [
            text
            for text in models.QuerySet(column.model).values_list(column.name, flat=True)
            if text not in (None, "")
        ]
        for column in COLUMNS
    }


def test_every_column_that_holds_sealed_text_is_in_the_table() -> None:
    one_of_each()
    assert sealed_text.columns() == {column.title for column in COLUMNS}


def test_everything_comes_under_the_first_key() -> None:
    with override_settings(KEYSEED_FIELD_KEYS=[OLD]):
        one_of_each()
    said = rotate()
    assert "5 resealed, 0 fine, 0 open with no key." in said
    for title, found in every_token().items():
        assert len(found) == 1
        assert Sealer([NEW]).open(found[0]) == {"secret": PSK}, title
        assert f"{title}: 1 resealed, 0 fine" in said


def test_doing_it_again_changes_nothing() -> None:
    fleet(3)
    rotate()
    before = tokens()
    assert "0 resealed, 3 fine, 0 open with no key." in rotate()
    assert tokens() == before


def test_more_than_a_chunk_is_resealed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "CHUNK", 2)
    found = fleet(5)
    assert "5 resealed, 0 fine" in rotate()
    assert all(opened_by(NEW, token(device)) for device in found)


def test_an_interrupted_one_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "CHUNK", 2)
    fleet(5)
    steps = sealed.reseal(COLUMNS[0], sealed.Keys())
    assert next(steps).old == 2
    steps.close()  # type: ignore[attr-defined]
    assert "3 resealed, 2 fine" in rotate()


def test_without_a_new_key_there_is_nothing_to_do() -> None:
    fleet(2, NEW)
    assert "0 resealed, 2 fine" in rotate()


def test_a_check_changes_nothing_and_says_that_the_old_key_is_needed() -> None:
    fleet(2)
    before = tokens()
    said = refused("--check")
    assert "2 to be resealed, 0 fine" in said
    assert "still needed" in said
    assert tokens() == before


def test_a_check_says_when_the_old_key_can_go() -> None:
    fleet(2)
    rotate()
    assert "may be taken out" in rotate("--check")


def test_what_opens_with_no_key_is_named_and_left_as_it_is() -> None:
    (good,), (bad,) = fleet(1), fleet(1, new_key())
    lost = token(bad)
    for arguments in ((), ("--check",), ()):
        said = refused(*arguments)
        assert "1 open with no key." in said
        assert (
            f"opens with no key: commands_command.secrets {Command.objects.get(device_id=bad.id).id}" in said
        )
        assert token(bad) == lost
    assert opened_by(NEW, token(good))


def test_what_it_prints_holds_no_secret_and_no_key() -> None:
    fleet(2)
    said = rotate() + rotate("--check")
    assert PSK not in said
    assert OLD not in said
    assert NEW not in said


def waiting() -> bool:
    """Whether somebody waits for a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None


@contextmanager
def in_the_way(device: Device) -> Iterator[None]:
    """What happens in the block happens after rotation read a value, and before it writes."""
    with transaction.atomic():
        store.lock([device.id])
        thread = threading.Thread(target=_rotate_and_close)
        thread.start()
        pause = threading.Event()
        while not waiting():
            assert thread.is_alive()
            pause.wait(0.01)
        yield
    thread.join()


def _rotate_and_close() -> None:
    try:
        rotate()
    finally:
        connection.close()


def test_a_secret_that_is_erased_meanwhile_is_not_written_back() -> None:
    erased, kept = fleet(2)
    with in_the_way(erased):
        Command.objects.filter(device_id=erased.id).update(secrets=None)
    assert token(erased) is None
    assert opened_by(NEW, token(kept))


def test_a_secret_that_is_replaced_meanwhile_stays_the_new_one() -> None:
    (device,) = fleet(1)
    other = sealing.sealed({"secret": "ab" * 16})
    with in_the_way(device):
        Command.objects.filter(device_id=device.id).update(secrets=other)
    assert token(device) == other
