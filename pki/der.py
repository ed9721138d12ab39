"""A strict, flat reader of DER: it never recurses, never copies beyond its input, and raises only Malformed.

It finds sizes, algorithms and work factors in hostile input before a library spends time on them. Whatever
is not minimal, definite-length DER is refused, so that no library reads something else from the same bytes.
"""

from typing import NamedTuple

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OID = 0x06
SEQUENCE = 0x30


class Malformed(ValueError):
    """The bytes are not the DER that was asked for."""


class Element(NamedTuple):
    tag: int
    body: bytes
    whole: bytes


def _read(data: bytes, at: int) -> tuple[Element, int]:
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise Malformed("truncated element or long-form tag")
    start, length = at + 2, data[at + 1]
    if length >= 0x80:
        count = length & 0x7F
        octets = data[start : start + count]
        start, length = start + count, int.from_bytes(octets, "big")
        # Up to three length octets: far above any message we take (WIRE.md 10).
        if not 1 <= count <= 3 or len(octets) != count or not octets[0] or length < 0x80:
            raise Malformed("length is not minimal and definite")
    if start + length > len(data):
        raise Malformed("element is longer than its container")
    end = start + length
    return Element(data[at], data[start:end], data[at:end]), end


def elements(data: bytes) -> list[Element]:
    """All elements of `data`, in order; they fill it exactly."""
    found, at = [], 0
    while at < len(data):
        element, at = _read(data, at)
        found.append(element)
    return found


def one(data: bytes, tag: int = SEQUENCE) -> bytes:
    """The body of the single element, of kind `tag`, that `data` consists of."""
    found = elements(data)
    if len(found) != 1 or found[0].tag != tag:
        raise Malformed("not one element of the expected kind")
    return found[0].body


def fields(data: bytes, *tags: int, optional: tuple[int, ...] = ()) -> list[bytes]:
    """The bodies of the elements of `data`: kinds `tags`, then kinds `optional`, empty where absent."""
    left = elements(data)[::-1]
    bodies = []
    for place, tag in enumerate(tags + optional):
        if left and left[-1].tag == tag:
            bodies.append(left.pop().body)
            if place >= len(tags) and not bodies[-1]:
                raise Malformed("an optional field is there but empty")
        elif place < len(tags):
            raise Malformed("a field is missing")
        else:
            bodies.append(b"")
    if left:
        raise Malformed("a field too many")
    return bodies


def number(body: bytes) -> int:
    """A non-negative INTEGER of at most 64 bits."""
    value = int.from_bytes(body, "big")
    # One bit is the sign's, so a minimal encoding has just these many octets.
    if value.bit_length() > 64 or len(body) != value.bit_length() // 8 + 1:
        raise Malformed("not a small non-negative integer")
    return value


def dotted(body: bytes) -> str:
    """An OBJECT IDENTIFIER in dotted form; at most 32 bytes, which holds every algorithm there is."""
    if not body or len(body) > 32 or body[-1] & 0x80:
        raise Malformed("not an object identifier")
    arcs, value = [], 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def algorithm(body: bytes) -> tuple[str, bytes]:
    """From an AlgorithmIdentifier's body its dotted OID and its parameters, whole; empty if it has none."""
    found = elements(body)
    if not 1 <= len(found) <= 2 or found[0].tag != OID:
        raise Malformed("not an algorithm identifier")
    return dotted(found[0].body), found[1].whole if len(found) == 2 else b""


def element(tag: int, body: bytes) -> bytes:
    """The encoding of one element."""
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    octets = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body
