import pytest

from pki import pem
from pki.errors import Invalid
from tests.pki import make

BLOCK = make.pem("CERTIFICATE", bytes(range(100)))
OTHER = make.pem("CERTIFICATE", b"\xff" * 100)


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        pem.read(text, "CERTIFICATE")
    return refused.value.reason


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        BLOCK.rstrip("\n"),
        BLOCK.replace("\n", "\r\n"),
        BLOCK.replace("\n", "\r"),
        "\ufeff" + BLOCK,
        "\n\n  " + BLOCK.replace("\n", "\t\n   "),
        "Certificate: Zażółć\n    Version: 3\n" + BLOCK + "# the end\n",
        BLOCK.replace("-----\n", "-----\n\n", 1),
    ],
    ids=["plain", "no last line end", "crlf", "cr", "bom", "spaces", "comments", "empty line"],
)
def test_what_editors_and_shells_do_to_a_file_does_not_matter(text: str) -> None:
    (block,) = pem.read(text, "CERTIFICATE")
    assert block.text == BLOCK


def test_lines_of_any_length_come_out_as_64_characters() -> None:
    begin, *body, end, _ = BLOCK.split("\n")
    (block,) = pem.read("\n".join((begin, "".join(body), end)), "CERTIFICATE")
    assert block.text == BLOCK


def test_blocks_come_in_their_order() -> None:
    assert [block.text for block in pem.read(OTHER + BLOCK, "CERTIFICATE")] == [OTHER, BLOCK]


@pytest.mark.parametrize("text", ["", " \n", "hello", "MIIB"])
def test_text_without_a_block_is_refused(text: str) -> None:
    assert "from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [f'"{BLOCK}"', BLOCK + '"', "\0" + BLOCK, BLOCK + "\x1b[0m", BLOCK + "\ud800"],
    ids=["quoted", "quote behind", "NUL", "escape", "lone surrogate"],
)
def test_quotes_and_control_characters_around_blocks_are_refused(text: str) -> None:
    assert "double quote" in refusal(text)


@pytest.mark.parametrize("gap", ["\\n", " ", ""])
def test_lost_line_breaks_are_explained(gap: str) -> None:
    assert "Keep the line breaks" in refusal(BLOCK.replace("\n", gap))


@pytest.mark.parametrize("bad", ['"', "\0", "é", "-", "\ud800", "=", ""])
def test_a_body_that_is_no_base64_is_refused(bad: str) -> None:
    assert "block 2 is not proper base64" in refusal(BLOCK + OTHER.replace("/", bad, 1))


def test_a_block_that_does_not_end_is_refused() -> None:
    assert "no END line" in refusal(BLOCK + OTHER[: OTHER.index("-----END")])


def test_a_block_that_ends_as_another_is_refused() -> None:
    assert "Line 5 ought to end" in refusal(BLOCK.replace("END CERTIFICATE", "END PUBLIC KEY"))


def test_a_block_in_a_block_is_refused() -> None:
    assert "Line 2 ought to end" in refusal(BLOCK.splitlines()[0] + "\n" + BLOCK)


def test_16_kib_are_read_and_a_byte_more_is_not() -> None:
    comment = "#" * (pem.MAX_TEXT - len(BLOCK) - 1) + "\n"
    assert pem.read(comment + BLOCK, "CERTIFICATE")
    assert "larger than 16,384 bytes" in refusal("#" + comment + BLOCK)


def test_the_limit_counts_bytes_not_characters() -> None:
    assert "larger than 16,384 bytes" in refusal("ż" * (pem.MAX_TEXT // 2) + "\n" + BLOCK)


def test_the_content_of_a_block_is_not_in_its_repr() -> None:
    (block,) = pem.read(BLOCK, "CERTIFICATE")
    assert "\\x" not in repr(block)
    assert "CERTIFICATE" in repr(block)
