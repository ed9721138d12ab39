"""Three secrets that a fleet owner puts on a device, and where one may look for them."""

from __future__ import annotations

from functools import cache

from django.db import connection

from tests.pipeline.cast import PSK, SHARED_KEY, Request
from tests.pki import make

PASSWORD = "planted-password-of-the-private-key"


@cache
def private_key() -> str:
    """An encrypted PKCS#8 key, PEM."""
    return make.encrypted(make.p256(), PASSWORD)


def commands() -> list[Request]:
    """The two types that carry secrets."""
    key = {"secTag": 9, "content": private_key(), "password": PASSWORD}
    return [SHARED_KEY, {"clientPrivateKey": key}]


def as_given() -> list[str]:
    """What its device must get: of the key a line of its body, which no line break or escape can hide."""
    return [PSK, PASSWORD, private_key().splitlines()[2]]


def secrets() -> list[str]:
    """What must be nowhere else."""
    return [*as_given(), PSK.lower()]


def found_in(text: str | bytes) -> list[str]:
    """The secrets that this holds."""
    data = text if isinstance(text, bytes) else text.encode()
    return [secret for secret in secrets() if secret.encode() in data]


def database() -> str:
    """Every row of every table, as text."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        rows = []
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows += [f"{table} {row}" for (row,) in cursor.fetchall()]
    return "\n".join(rows)
