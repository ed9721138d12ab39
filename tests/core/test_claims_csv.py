"""Whatever comes as CSV is rows, each read or with its reason, or a refusal; nothing else."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.claims_csv import ROWS_MOST, Row, read, rows
from tenants.errors import Refusal


def cells(text: str) -> list[tuple[str, ...]]:
    return [row.cells for row in read(text, "claimToken")]


@pytest.mark.parametrize(
    "text",
    [
        '"a.b","x,y"\n"c.d"\n',
        '"a.b","x,y"\r\n"c.d"\r\n',
        '"a.b","x,y"\n"c.d"',
        'a.b,"x,y"\nc.d\n',
        '\n\r\n"a.b","x,y"\n\n  \n"c.d"\n\n',
        '\ufeff"a.b","x,y"\n"c.d"\n'.removeprefix("\ufeff"),
        ' a.b ," x,y "\n c.d\n',
        'claimToken,tags\n"a.b","x,y"\n"c.d"\n',
        '"ClaimToken"\n"a.b","x,y"\n"c.d"\n',
        '\ufeffclaimtoken,tags\r\n"a.b","x,y"\r\n"c.d"\r\n',
        '"a.b","x,y"\r"c.d"\r',
    ],
    ids=range(11),
)
def test_quotes_line_ends_headers_and_empty_rows_do_not_matter(text: str) -> None:
    assert cells(text) == [("a.b", "x,y"), ("c.d",)]


def test_a_row_is_numbered_by_its_place_in_the_file() -> None:
    found = read('claimToken\n\n"a"\n"b\nb"\n"c"\n', "claimToken")
    assert [(row.number, row.line) for row in found] == [(3, 3), (4, 5), (5, 6)]


def test_a_header_stands_first_or_is_a_row() -> None:
    assert cells("a\nclaimToken\n") == [("a",), ("claimToken",)]


def test_a_field_may_hold_lines_and_quotes() -> None:
    assert cells('"x ""y""\nz",t\n') == [('x "y"\nz', "t")]


@pytest.mark.parametrize(
    ("text", "wrong", "good"),
    [
        ('"a"b\nc\n', ["Line 1 is not CSV"], ["c"]),
        ('a\n"b\n"c"\nd\n', ["Lines 2 to 3 are not CSV"], ["a", "d"]),
        ('a\n"b\nc\n', ["Lines 2 to 3 are not CSV"], ["a"]),
        ('"' + "x" * 200_000 + '"\nc\n', ["Line 1 is not CSV"], ["c"]),
    ],
)
def test_what_cannot_be_read_is_told_where_and_spoils_no_other_row(
    text: str, wrong: list[str], good: list[str]
) -> None:
    found = read(text, "claimToken")
    assert [row.wrong.partition(":")[0] for row in found if row.wrong] == wrong
    assert [row.cells[0] for row in found if not row.wrong] == good


@pytest.mark.parametrize("text", ["", "\n\n", "claimToken,tags\n", "   ", ",,\n"])
def test_a_body_without_rows_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(text, "claimToken")
    assert refused.value.code == "INVALID"
    assert "begin with a claimToken" in refused.value.message


def test_a_thousand_rows_are_taken_and_not_one_more() -> None:
    most = "claimToken\n" + "x\n\n" * ROWS_MOST
    assert len(read(most, "claimToken")) == ROWS_MOST
    with pytest.raises(Refusal) as refused:
        read(most + "x\n", "claimToken")
    assert refused.value.code == "TOO_LARGE"
    assert "1,000 rows" in refused.value.message


def test_a_row_never_shows_its_cells() -> None:
    assert "sesame" not in repr(read("sesame,sesame\n", "claimToken"))


def test_a_file_of_any_size_is_read_as_it_comes() -> None:
    def endless() -> object:
        while True:
            yield "a,b\n"

    found = rows(endless(), "deviceId")  # type: ignore[arg-type]
    assert [next(found).cells for _ in range(5000)][-1] == ("a", "b")


@given(st.text(max_size=200) | st.text(alphabet='",\n\r ab\ufeff', max_size=60))
def test_any_text_is_rows_or_a_refusal(text: str) -> None:
    try:
        found = read(text, "claimToken")
    except Refusal:
        return
    assert all(isinstance(row, Row) and bool(row.wrong) != bool(row.cells) for row in found)
    numbers = [row.number for row in found]
    assert numbers == sorted(set(numbers))


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)
WRITTEN = st.lists(
    st.lists(CELL, min_size=1, max_size=3).filter(lambda row: bool(row[0].strip())), min_size=1
)


@given(WRITTEN, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_was_written_as_csv_is_read_back(written: list[list[str]], end: str, quoting: int) -> None:
    out = StringIO()
    csv.writer(out, lineterminator=end, quoting=quoting).writerows([["no header"], *written])  # type: ignore[arg-type]
    assert cells(out.getvalue())[1:] == [tuple(cell.strip() for cell in row) for row in written]
