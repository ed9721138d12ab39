"""Lets one process of a kind run in an installation, where two would do the same work twice."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


class Taken(Exception):
    """Another one runs."""


@contextmanager
def only_one(name: str, unless: bool = False) -> Iterator[None]:
    """Runs the block while no other process of this installation is in it. Raises `Taken`.

    The database keeps the lock for as long as this process's connection lives, so a killed one leaves nothing
    behind. On SQLite the data folder's lock is what keeps a second process out.
    """
    if unless or connection.vendor != "postgresql":
        yield
        return
    number = zlib.crc32(f"keyseed {name}".encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if cursor.fetchone() != (True,):
            raise Taken(
                f"Another {name} runs. Without a shared subscription (KEYSEED_GATEWAY_GROUP) there may be only "
                "one: each would get every message."
            )
    try:
        yield
    finally:
        # With the connection goes the lock, also where the database has ended both already.
        connection.close()
