"""PEM text is read here and nowhere else, in linear time, and no reason repeats what a block holds.

Lenient about what editors and shells do to a file (CRLF, spaces around lines, line length, a byte order mark,
comments between blocks); strict about everything that changes what a block says.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

from pki.errors import Invalid

MAX_TEXT = 16 * 1024  # WIRE.md 10

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,39})-----")
# A double quote would end an AT command's argument early; quotes and control characters around the blocks
# come from a value that was quoted or encoded once too often.
_STRAY = re.compile(r'["\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]')
_HEADER = re.compile(r"[A-Za-z0-9-]+:")


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block. `headers`: it has RFC 1421 headers, as OpenSSL's traditional encrypted keys do."""

    label: str
    der: bytes = field(repr=False)
    headers: bool

    @property
    def text(self) -> str:
        """The block as PEM with LF line ends, 64 characters a line, and a line end after the last."""
        body = base64.b64encode(self.der).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        return "\n".join((f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""))


def read(text: str, expected: str) -> list[Block]:
    """The blocks of `text`, at least one. `expected` is the label that a reason speaks of."""
    check_size(text)
    found: list[Block] = []
    label = ""
    body: list[str] = []
    for number, line in enumerate(_lines(text), 1):
        if not label:
            label, body = _begun(line, number), []
        elif not line.startswith("-----"):
            body.append(line)
        elif line == f"-----END {label}-----":
            found.append(_block(label, body, len(found) + 1))
            label = ""
        else:
            raise Invalid(f"Line {number} ought to end the PEM block begun above it. {_COPY}")
    if label:
        raise Invalid(f"The last PEM block has no END line. {_COPY}")
    if not found:
        raise Invalid(
            f"There is no PEM block in it. Send PEM text, from -----BEGIN {expected}----- "
            f"to -----END {expected}-----, both lines included."
        )
    return found


def check_size(text: str) -> None:
    """Raise Invalid if `text` is larger than MAX_TEXT bytes."""
    if len(text) > MAX_TEXT or len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise Invalid(f"It is larger than {MAX_TEXT:,} bytes. Leave out what is not needed.")


_COPY = "Copy the whole file, from its first BEGIN line to its last END line, with its line breaks."


def _lines(text: str) -> list[str]:
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip(" \t") for line in plain.split("\n")]


def _begun(line: str, number: int) -> str:
    """The label of the block that `line` begins, or nothing if `line` is a comment."""
    if begin := _BEGIN.fullmatch(line):
        return begin[1]
    if _STRAY.search(line):
        raise Invalid(
            f'Line {number} has a double quote (") or a control character outside of the PEM blocks. '
            "Send the blocks alone, without quotes around them."
        )
    if "-----" in line:
        raise Invalid(
            f"Line {number} is not a proper BEGIN line standing alone. Keep the line breaks of the PEM file: "
            r"in JSON each one is \n, not a space and not \\n."
        )
    return ""


def _block(label: str, body: list[str], number: int) -> Block:
    headers = bool(body) and _HEADER.match(body[0]) is not None
    if headers:
        body = body[body.index("") :] if "" in body else []
    try:
        return Block(label, base64.b64decode("".join(body), validate=True), headers)
    except (binascii.Error, ValueError):
        raise Invalid(f"PEM block {number} is not proper base64. {_COPY}") from None
