"""Set-based writing: many rows, one statement, whatever their number.

PostgreSQL gets all rows as one JSON parameter, which costs less than the ORM's CASE ladders and less than arrays,
whose elements psycopg quotes one by one. SQLite runs one prepared statement for each row inside the process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

# ruff: noqa: S608 - names of tables and columns are our own constants; every value is a parameter

Value = UUID | datetime | str | int | bool | Mapping[str, object] | None


def update(table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]], **derived: str) -> None:
    """Writes `rows` over the rows of `table` with the same first column.

    `columns` maps names to PostgreSQL types, the key first. A name in `derived` is not set from its value but
    to that SQL expression, in which `{v}` is the value and `t` the table.
    """
    if not rows:
        return
    key, *names = columns
    if connection.vendor == "postgresql":
        targets = ", ".join(_target(name, derived, f"v.{name}") for name in names)
        _run(
            f"UPDATE {table} AS t SET {targets} FROM {_source(columns)} WHERE t.{key} = v.{key}",
            columns,
            rows,
        )
    else:
        targets = ", ".join(_target(name, derived, "%s") for name in names)
        reordered = [(*row[1:], row[0]) for row in rows]
        _run_many(f"UPDATE {table} AS t SET {targets} WHERE t.{key} = %s", reordered)


def insert(
    table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]], conflict: str = ""
) -> None:
    """Inserts `rows`; `conflict` is an ON CONFLICT clause, in which `t` is the table."""
    if not rows:
        return
    names = ", ".join(columns)
    into = f"INSERT INTO {table} AS t ({names})"
    if connection.vendor == "postgresql":
        _run(f"{into} SELECT {names} FROM {_source(columns)} {conflict}", columns, rows)
    else:
        _run_many(f"{into} VALUES ({', '.join(['%s'] * len(columns))}) {conflict}", rows)


def _target(name: str, derived: Mapping[str, str], value: str) -> str:
    return f"{name} = {derived.get(name, '{v}').format(v=value)}"


def _source(columns: Mapping[str, str]) -> str:
    typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"json_to_recordset(%s::json) AS v({typed})"


def _run(sql: str, columns: Mapping[str, str], rows: Sequence[Sequence[Value]]) -> None:
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(records, default=str)])


def _run_many(sql: str, rows: Sequence[Sequence[Value]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(sql, [[_plain(value) for value in row] for row in rows])


def _plain(value: Value) -> str | int | None:
    """The value as Django's SQLite backend stores it."""
    match value:
        case UUID():
            return value.hex
        case datetime():
            return str(connection.ops.adapt_datetimefield_value(value))
        case Mapping():
            return json.dumps(value)
    return value
