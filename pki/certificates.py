"""Certificates that a fleet owner puts on devices: what passes here, a device's TLS library can use.

A certificate is refused once it has expired, and while its validity begins more than a day ahead: less than
that is a signing machine's clock or time zone, more is a mistake that would leave a device unable to connect.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from pki import keys, pem
from pki.errors import UNREADABLE, Invalid

MAX_CERTIFICATES = 10  # WIRE.md 10
MAX_AHEAD = timedelta(days=1)

_MAX_ISSUER_RSA_BITS = 8192


def check_authorities(text: str, now: datetime) -> str:
    """A `serverCertificate` content: what a device shall trust, as normalised PEM.

    1 to 10 certificates in at most 16 KiB, each one CA:TRUE or else version 1 and self-signed, valid at `now`
    (aware). The returned text holds the certificates alone, with LF line ends. Raises Invalid.
    """
    certificates = read(text)
    for number, certificate in enumerate(certificates, 1):
        name = _name(number, certificates)
        _check_time(name, certificate, now)
        if not _is_authority(certificate):
            raise Invalid(
                f"{name} is not a certificate authority: it is neither marked CA:TRUE nor version 1 and "
                "self-signed. Send the certificate of the authority that issued the server's certificate."
            )
    return _text(certificates)


def check_chain(text: str, now: datetime) -> str:
    """A `clientCertificate` content: the device's certificate and, if any, its issuers, as normalised PEM.

    1 to 10 certificates in at most 16 KiB, valid at `now` (aware), each followed by the one that issued it.
    The first is no CA, unless it is alone and self-signed. The returned text is like that of
    `check_authorities`. Raises Invalid.
    """
    certificates = read(text)
    for number, certificate in enumerate(certificates, 1):
        _check_time(_name(number, certificates), certificate, now)
    _check_leaf(certificates)
    for number in range(1, len(certificates)):
        _check_link(number, certificates[number - 1], certificates[number])
    return _text(certificates)


def read(text: str) -> list[x509.Certificate]:
    """The 1 to 10 certificates of a PEM text of at most 16 KiB, each readable throughout. Raises Invalid."""
    blocks = pem.read(text, "CERTIFICATE")
    for block in blocks:
        _check_label(block.label)
    if len(blocks) > MAX_CERTIFICATES:
        raise Invalid(f"It has {len(blocks)} certificates. Send at most {MAX_CERTIFICATES}: those it needs.")
    return [_parsed(_name(number, blocks), block.der) for number, block in enumerate(blocks, 1)]


def _check_label(label: str) -> None:
    if label.endswith("PRIVATE KEY"):
        raise Invalid(
            "It has a private key in it. Send the certificates alone; a device's key goes encrypted into "
            "clientPrivateKey. A key that was to be sent in the clear is better replaced."
        )
    if label != "CERTIFICATE":
        raise Invalid(f"It has a PEM block {label} in it. Send blocks of CERTIFICATE alone.")


def _parsed(name: str, der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The library reads these only when asked; what is broken in them is to show here.
        _ = (certificate.subject, certificate.issuer, certificate.extensions)
    except UNREADABLE:
        raise Invalid(
            f"{name} is not an X.509 certificate, or is damaged. Try `openssl x509 -in FILE -noout -text` on "
            "the file and copy it again."
        ) from None
    return certificate


def _check_time(name: str, certificate: x509.Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < now:
        raise Invalid(f"{name} expired on {end:%Y-%m-%d}. Send one that is still valid.")
    if begin - MAX_AHEAD > now:
        raise Invalid(f"{name} is not valid before {begin:%Y-%m-%d}. Send one that is valid today.")


def _check_leaf(certificates: Sequence[x509.Certificate]) -> None:
    leaf = certificates[0]
    if not _marked_authority(leaf) or (len(certificates) == 1 and _issued(leaf, leaf)):
        return
    raise Invalid(
        f"{_name(1, certificates)} is a certificate authority (CA:TRUE), not a device's certificate. "
        "Put the device's own certificate first and after it those that issued it, if any."
    )


def _check_link(number: int, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    if not _issued(certificate, issuer):
        raise Invalid(
            f"Certificate {number + 1} did not issue certificate {number}: its name or key does not match. "
            "Put the device's certificate first, and after each certificate the one that issued it."
        )
    if not _is_authority(issuer):
        raise Invalid(
            f"Certificate {number + 1} is not a certificate authority (CA:TRUE), so no device certificate "
            "below it can be verified. Issue the device's certificate from an authority."
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    # Version 1 has no extensions and so cannot say CA:TRUE; old roots are like that.
    if certificate.version is x509.Version.v1:
        return _issued(certificate, certificate)
    return _marked_authority(certificate)


def _marked_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer`'s name and key are those that `certificate` was signed with."""
    if issuer.public_key_algorithm_oid not in keys.ALGORITHMS:
        return False
    try:
        key = issuer.public_key()
        if isinstance(key, RSAPublicKey) and key.key_size > _MAX_ISSUER_RSA_BITS:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _name(number: int, among: Sequence[object]) -> str:
    return "The certificate" if len(among) == 1 else f"Certificate {number}"


def _text(certificates: Sequence[x509.Certificate]) -> str:
    text = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    pem.check_size(text)
    return text
