"""Rows of a CSV file, whoever wrote it: quoted or not, LF or CRLF, with a header row or without.

What cannot be read is a row of its own that says why, so that the good rows around it stand. This file does not
know Django.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO

from tenants.errors import Refusal

ROWS_MOST = 1_000
"""Rows of one request. Source: docs/nrf-cloud.md."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `number` counts from 1, with the header row and empty rows; `line` is where in the file it ends.

    `wrong` says why the row could not be read; then it has no cells. Cells may hold what claims a device.
    """

    number: int
    line: int
    cells: tuple[str, ...] = ()
    wrong: str = ""

    def __repr__(self) -> str:
        return f"Row(number={self.number}, line={self.line}, cells={len(self.cells)}, wrong={self.wrong!r})"


def read(text: str, header: str) -> list[Row]:
    """The rows of one request's body. Raises `Refusal` where there are none, or more than `ROWS_MOST`.

    `header` is what the first cell says if the first row is not one: "claimToken", in any case of letters.
    """
    found: list[Row] = []
    for row in rows(StringIO(text, newline=""), header):
        found.append(row)
        if len(found) > ROWS_MOST:
            raise Refusal(
                "TOO_LARGE",
                f"The file has more than {ROWS_MOST:,} rows: send it in parts of at most so many.",
            )
    if not found:
        raise Refusal("INVALID", f"The body has no rows: send CSV rows that begin with a {header}.")
    return found


def rows(lines: Iterable[str], header: str) -> Iterator[Row]:
    """The rows of a file of any size, as they are read; the header row and empty rows are left out.

    `lines` keep their line ends, as a file opened with newline="" gives them.
    """
    reader = csv.reader(lines, strict=True)
    number, first, before = 0, True, 0
    while True:
        number += 1
        try:
            cells = tuple(cell.strip() for cell in next(reader))
        except StopIteration:
            return
        except csv.Error:
            yield Row(number, reader.line_num, wrong=_unreadable(before + 1, reader.line_num))
            cells = ()
        before = reader.line_num
        if not any(cells):
            continue
        if not (first and cells[0].removeprefix("\ufeff").lower() == header.lower()):
            yield Row(number, reader.line_num, cells)
        first = False


def _unreadable(begin: int, end: int) -> str:
    lines = f"Line {end} is" if begin >= end else f"Lines {begin:,} to {end:,} are"
    return f"{lines} not CSV: check the quotation marks. One inside a quoted field is written twice."
