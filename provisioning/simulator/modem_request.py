"""Certificate signing requests as an nRF91 modem writes them, DER."""

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from provisioning.simulator.work import ATTRIBUTES

KEY_USAGE = "111010000"  # the modem's own choice where the command names none

ECDSA_WITH_SHA256 = bytes.fromhex("06082a8648ce3d040302")
NULL = bytes.fromhex("0500")
SEQUENCE, BIT_STRING = 0x30, 0x03


def subject(attributes: str) -> x509.Name:
    """`O=...,CN=...` in the order in which it was written. Raises ValueError."""
    # Blanks after a comma are let pass, as mbed TLS does; RFC 4514 would turn the order round.
    name = x509.Name.from_rfc4514_string(re.sub(r"(?<!\\),\s+", ",", attributes), ATTRIBUTES)
    return x509.Name(list(reversed(name.rdns)))


def common_name(text: str) -> x509.Name:
    """The subject of a request that was given no attributes."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def request(
    key: ec.EllipticCurvePrivateKey, subject: x509.Name, usage: str, *, null_parameter: bool
) -> bytes:
    """The request. `usage` is nine digits 0 or 1. `null_parameter` writes what old firmware wrote:
    an ecdsa-with-SHA256 that has parameters, which many parsers refuse.
    Raises ValueError for a usage of another form.
    """
    # Not the library's KeyUsage, which refuses combinations that a modem writes without a thought.
    extension = x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, _bits(usage))
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    made = builder.add_extension(extension, critical=False).sign(key, hashes.SHA256())
    if not null_parameter:
        return made.public_bytes(Encoding.DER)
    algorithm = _element(SEQUENCE, ECDSA_WITH_SHA256 + NULL)
    signature = _element(BIT_STRING, b"\x00" + made.signature)
    return _element(SEQUENCE, made.tbs_certrequest_bytes + algorithm + signature)


def _bits(usage: str) -> bytes:
    """A BIT STRING without trailing zeros (X.690, 11.2.2)."""
    if not re.fullmatch(r"[01]{9}", usage):
        raise ValueError("the key usage is not nine digits of 0 and 1")
    bits = usage.rstrip("0")
    unused = -len(bits) % 8
    octets = int(f"0{bits}{'0' * unused}", 2).to_bytes((len(bits) + unused) // 8)
    return _element(BIT_STRING, bytes([unused]) + octets)


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content
