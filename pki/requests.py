"""What a device shows of its key, public key or signing request, is believed as far as its signature goes.

Two forms (WIRE.md 3.2): PEM, or modem style, "<base64url DER>.<base64url COSE>", where the COSE part, which
attests the DER, may be missing. It is not verified here.
"""

import base64
import binascii
import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki import der, keys, pem
from pki.errors import UNREADABLE, Invalid

_MODEM = re.compile(r"([A-Za-z0-9_-]+)={0,2}(?:\.[A-Za-z0-9_-]+={0,2})?")
# RFC 5758 3.2: the parameters of these are absent.
_ECDSA = frozenset(f"1.2.840.10045.4.3.{arc}" for arc in (1, 2, 3, 4))  # with SHA-224 to SHA-512
_NULL = der.element(der.NULL, b"")


def read_public_key(value: str) -> bytes:
    """The DER SubjectPublicKeyInfo of a device's public key, one of `keys.ALLOWED`. Raises Invalid.

    A modem answers some key generations with a signing request: then it is the request's key.
    """
    data = _der(value, ("PUBLIC KEY",))
    spki = _verified(data)[1] if _is_request(data) else data
    return keys.read(spki).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_csr(value: str) -> x509.CertificateSigningRequest:
    """A device's PKCS#10 request with a key of `keys.ALLOWED`, whose signature verifies. Raises Invalid.

    Its `public_bytes` may differ from what the device sent and attested: see `_without_null`.
    """
    return _verified(_der(value, ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")))[0]


def public_key_pem(value: str) -> str:
    """A device's public key in either form, as PEM. Raises Invalid."""
    key = keys.read(read_public_key(value))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key_of(request: x509.CertificateSigningRequest) -> bytes:
    """The DER SubjectPublicKeyInfo of the key that the request is for."""
    return request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _der(value: str, labels: tuple[str, ...]) -> bytes:
    if "-----BEGIN" not in value:
        return _modem(value)
    blocks = pem.read(value, labels[0])
    if len(blocks) > 1 or blocks[0].label not in labels:
        raise Invalid(f"It is not a single PEM block {labels[0]}. Send that alone.")
    return blocks[0].der


def _modem(value: str) -> bytes:
    pem.check_size(value)
    found = _MODEM.fullmatch(value.strip())
    try:
        if found:
            return base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), b"-_", validate=True)
    except binascii.Error:
        pass
    raise Invalid(
        'It is neither PEM nor "<base64url DER>.<base64url COSE>". Send one of these (WIRE.md 3.2).'
    )


def _is_request(data: bytes) -> bool:
    """Whether DER is laid out as a PKCS#10 request: a SubjectPublicKeyInfo has one field less."""
    try:
        return len(der.elements(der.one(data))) == 3
    except der.Malformed:
        return False


def _verified(data: bytes) -> tuple[x509.CertificateSigningRequest, bytes]:
    """The request whose DER is `data`, and its SubjectPublicKeyInfo."""
    request, spki = _parsed(data)
    keys.read(spki)
    if not request.is_signature_valid:
        raise Invalid("The signature of the request does not verify with its own key. Make a new request.")
    return request, spki


def _parsed(data: bytes) -> tuple[x509.CertificateSigningRequest, bytes]:
    try:
        info, algorithm, signature = der.fields(der.one(data), der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)
        spki = der.elements(info)[2].whole
        if algorithm.endswith(_NULL):
            data = _without_null(info, algorithm, signature)
        request = x509.load_der_x509_csr(data)
        # The library reads these only when asked; what is broken in them is to show here.
        _ = (request.subject, request.extensions)
    except (*UNREADABLE, IndexError):
        raise Invalid("It is not a PKCS#10 signing request, or is damaged. Make a new request.") from None
    return request, spki


def _without_null(info: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """The request without the NULL that older nRF91 modem firmware puts behind ecdsa-with-SHA256.

    The library refuses it. The signature covers `info` alone, so it verifies as before.
    """
    oid, _ = der.algorithm(algorithm)
    if oid in _ECDSA:
        algorithm = algorithm.removesuffix(_NULL)
    return der.element(
        der.SEQUENCE,
        der.element(der.SEQUENCE, info)
        + der.element(der.SEQUENCE, algorithm)
        + der.element(der.BIT_STRING, signature),
    )
