"""Whoever changes the audit log behind Keyseed's back is found out: also a superuser of the database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import psycopg
import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from provisioning import housekeeping
from tenants import audit, audit_proof
from tenants.audit_proof import verify
from tenants.chain import Head
from tenants.models import AuditEntry, AuditHead
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

TABLE = "tenants_auditentry"


def write(count: int = 1) -> None:
    for number in range(count):
        audit.record("device.blocked", "device", f"d{number}", data={"number": number})


@pytest.fixture
def sealed() -> Head:
    """Ten entries in the chain; its head."""
    write(10)
    assert audit.seal() == 10
    return audit.head()


def tamper(*statements: str) -> None:
    """By a superuser who switches the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            for statement in statements:
                cursor.execute(statement)
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def broken(known: Head | None = None) -> tuple[int, str]:
    found = verify(known=known).broken
    assert found is not None
    return found.place, found.reason


# ---- sealing


def test_what_is_sealed_holds(sealed: Head) -> None:
    write(3)
    assert verify() == audit_proof.Verified(sealed, 3, None)
    assert list(AuditEntry.objects.order_by("id").values_list("place", flat=True)) == [
        *range(1, 11),
        *[None] * 3,
    ]


def test_a_log_without_entries_holds() -> None:
    assert audit.seal() == 0
    assert verify() == audit_proof.Verified(Head(), 0, None)


def test_sealing_goes_on_where_it_ended(sealed: Head) -> None:
    write(5)
    assert [audit.seal(2), audit.seal(2), audit.seal(2), audit.seal(2)] == [2, 2, 1, 0]
    assert (verify().head.place, verify(from_place=7).head) == (15, audit.head())


def test_more_than_one_lot_is_sealed_and_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_proof, "CHUNK", 3)
    monkeypatch.setattr(audit, "SEALED_AT_ONCE", 4)
    write(10)
    audit.seal_all()
    seen: list[int] = []
    assert verify(seen=seen.append).broken is None
    assert seen == [3, 3, 3, 1]


def test_the_task_seals() -> None:
    write(2)
    current_app.loader.import_default_modules()
    current_app.tasks["provisioning.seal_audit"]()
    assert audit.head().place == 2


def test_housekeeping_seals_and_tells_the_head(caplog: pytest.LogCaptureFixture) -> None:
    write(2)
    with caplog.at_level("INFO", "provisioning.housekeeping"):
        housekeeping.run()
    assert caplog.messages == [f"The head of the audit log is {audit.head()}"]
    assert audit.head().place == 2


def in_a_thread(what: Callable[[], object]) -> threading.Thread:
    def act() -> None:
        try:
            what()
        finally:
            connection.close()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


@contextmanager
def another(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """A connection besides the test's own."""
    with psycopg.connect(postgres.url_of(str(connection.settings_dict["NAME"]))) as other:
        yield other


def test_many_sealers_at_once_make_one_chain() -> None:
    write(60)
    threads = [in_a_thread(lambda: [audit.seal(7) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert (verify().broken, audit.head().place, verify().unsealed) == (None, 60, 0)


def test_a_sealer_waits_for_the_one_before_it(sealed: Head) -> None:
    write(2)
    with transaction.atomic():
        assert audit.seal(1) == 1
        second = in_a_thread(audit.seal)
        second.join(0.3)
        assert second.is_alive()
    second.join()
    assert (verify().broken, audit.head().place) == (None, 12)


def test_what_is_committed_late_gets_a_later_place(postgres: Postgres) -> None:
    columns = "at, actor_kind, actor_id, actor, address, action, object_kind, object_id, data, digest"
    values = "now(), 'system', '', '', '', 'late', '', '', '{}', ''"
    with another(postgres) as other:
        (row,) = other.execute(
            f"INSERT INTO {TABLE} ({columns}) VALUES ({values}) RETURNING id"
        ).fetchone() or (0,)
        write(2)
        audit.seal()
        other.commit()
    assert audit.head().place == 2
    assert row < AuditEntry.objects.latest("id").id
    audit.seal()
    assert AuditEntry.objects.get(action="late").place == 3
    assert verify().broken is None


def test_writers_do_not_wait_for_a_sealer(sealed: Head) -> None:
    write(1)
    with transaction.atomic():
        audit.seal()
        writer = in_a_thread(write)
        writer.join(5)
        assert not writer.is_alive()


# ---- the database itself


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM {TABLE} WHERE place = 4",
        f"DELETE FROM {TABLE} WHERE place IS NULL",
        f"UPDATE {TABLE} SET actor = 'somebody else' WHERE place = 4",
        f"UPDATE {TABLE} SET actor = 'somebody else' WHERE place IS NULL",
        f"UPDATE {TABLE} SET actor = 'somebody else', place = 99 WHERE place IS NULL",
        f"UPDATE {TABLE} SET place = 99 WHERE place = 4",
        f"UPDATE {TABLE} SET place = NULL WHERE place = 4",
        f"UPDATE {TABLE} SET digest = 'x' WHERE place = 4",
        f"UPDATE {TABLE} SET digest = 'x' WHERE place IS NULL",
    ],
)
def test_the_database_refuses_changes(sealed: Head, statement: str) -> None:
    write(1)
    with pytest.raises(DatabaseError, match="neither changed nor deleted"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verify().broken is None
    assert AuditEntry.objects.count() == 11


# ---- tampering


CHANGED = "the entry or its digest was changed, or what stood before it was taken out"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["UPDATE {t} SET actor = 'somebody else' WHERE place = 4"], (4, CHANGED)),
        (["UPDATE {t} SET at = at + interval '1 microsecond' WHERE place = 4"], (4, CHANGED)),
        (["UPDATE {t} SET data = '{{}}' WHERE place = 10"], (10, CHANGED)),
        (["UPDATE {t} SET digest = 'x' WHERE place = 1"], (1, CHANGED)),
        (["DELETE FROM {t} WHERE place = 4"], (4, "the entry is missing")),
        (["DELETE FROM {t} WHERE place = 1"], (1, "the entry is missing")),
        (["UPDATE {t} SET place = NULL, digest = '' WHERE place = 4"], (4, "the entry is missing")),
        (
            [
                "DELETE FROM {t} WHERE place = 4",
                "UPDATE {t} SET place = -place WHERE place > 4",
                "UPDATE {t} SET place = -place - 1 WHERE place < 0",
            ],
            (4, CHANGED),
        ),
        (
            [
                "UPDATE {t} SET place = -1 WHERE place = 4",
                "UPDATE {t} SET place = 4 WHERE place = 7",
                "UPDATE {t} SET place = 7 WHERE place = -1",
            ],
            (4, "out of order: what was sealed here stands at place 7"),
        ),
        (["DELETE FROM {t} WHERE place > 8"], (9, "the entry is missing, and all that were sealed after it")),
        (["DELETE FROM {t}"], (1, "the entry is missing, and all that were sealed after it")),
        (["UPDATE tenants_audithead SET place = 8"], (8, "the head of the chain is another")),
        (["DELETE FROM tenants_audithead"], (1, "the chain has entries behind its head")),
        (["UPDATE tenants_audithead SET digest = 'x'"], (10, "the head of the chain is another")),
    ],
    ids=range(14),
)
def test_what_was_done_is_found_and_where(sealed: Head, change: list[str], told: tuple[int, str]) -> None:
    tamper(*(one.format(t=TABLE) for one in change))
    assert broken() == told


def rewind(place: int) -> None:
    """The tail is gone and the head says that it never was there."""
    tamper(f"DELETE FROM {TABLE} WHERE place > {place}")
    digest = AuditEntry.objects.get(place=place).digest
    AuditHead.objects.update(place=place, digest=digest)


def test_a_removed_tail_shows_against_an_earlier_head(sealed: Head) -> None:
    rewind(7)
    assert verify().broken is None
    assert broken(sealed) == (8, "the entry is missing, and all that were sealed after it")


def test_a_chain_that_was_made_anew_shows_against_an_earlier_head(sealed: Head) -> None:
    rewind(7)
    write(5)
    audit.seal()
    assert verify().broken is None
    assert broken(sealed) == (10, "the given head is not part of this chain: it was made anew since")


def test_an_earlier_head_stays_part_of_a_chain_that_grows(sealed: Head) -> None:
    write(5)
    audit.seal()
    assert verify(known=sealed).broken is None
    assert verify(from_place=13, known=sealed).broken is None


# ---- the command


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_head(sealed: Head) -> None:
    write(2)
    assert command() == f"The audit log holds: 10 sealed entries, 2 not sealed yet.\n{sealed}\n"
    assert command("--head", str(sealed)) == command()


def test_the_command_says_what_is_broken(sealed: Head) -> None:
    tamper(f"DELETE FROM {TABLE} WHERE place = 4")
    with pytest.raises(CommandError, match=r"broken at place 4: the entry is missing\.") as told:
        command()
    assert told.value.returncode == 1
    assert command("--from", "6").startswith("The audit log holds: 10 ")


def test_the_command_takes_no_other_head() -> None:
    with pytest.raises(CommandError, match="is no head: give PLACE:DIGEST"):
        command("--head", "12")
