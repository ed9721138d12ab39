"""Keys and certificates, good and bad in every way that an owner or a device can get them wrong."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PASSWORD = "open sesame"
DAY = timedelta(days=1)


def name(text: str) -> x509.Name:
    """CN=text."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate: x509.Certificate) -> str:
    """PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate(
    subject: str = "root", *, ca: bool | None = True, since: timedelta = -DAY, until: timedelta = 365 * DAY
) -> x509.Certificate:
    """A self-signed certificate; `ca` None leaves the basic constraints out."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(now + until)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


@cache
def ca_pem() -> str:
    """A CA that is valid for a year."""
    return pem(certificate())


@cache
def expired_ca_pem() -> str:
    """A CA that ended yesterday."""
    return pem(certificate(since=-30 * DAY, until=-DAY))


@cache
def leaf_pem() -> str:
    """A certificate that says CA:FALSE."""
    return pem(certificate("leaf", ca=False))


@cache
def chain_pem() -> str:
    """A leaf and the CA that issued it."""
    issuer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    texts = []
    for subject, public, ca in (("leaf", key, False), ("root", issuer, True)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("root"))
            .public_key(public.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        texts.append(pem(builder.sign(issuer, hashes.SHA256())))
    return "".join(texts)


@cache
def expired_leaf_pem() -> str:
    """A leaf that ended yesterday."""
    return pem(certificate("leaf", ca=False, since=-30 * DAY, until=-DAY))


def der(tag: int, content: bytes) -> bytes:
    """One DER value."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


@cache
def version1_pem() -> str:
    """A self-signed certificate of X.509 version 1, which says nothing of being a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    third = (
        x509.CertificateBuilder()
        .subject_name(name("old root"))
        .issuer_name(name("old root"))
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, hashes.SHA256())
    )
    tbs = third.tbs_certificate_bytes
    start = tbs.index(bytes.fromhex("a003020102"))
    body = der(0x30, tbs[start + 5 :])
    signature = key.sign(body, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    whole = der(0x30, body + algorithm + der(0x03, b"\0" + signature))
    made = x509.load_der_x509_certificate(whole)
    assert made.version is x509.Version.v1
    return pem(made)


def encrypted(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: str = PASSWORD) -> str:
    """Encrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    ).decode()


@cache
def encrypted_key_pem() -> str:
    """A P-256 key that `PASSWORD` opens."""
    return encrypted(ec.generate_private_key(ec.SECP256R1()))


@cache
def plain_key_pem() -> str:
    """A key without a password."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


@cache
def costly_key_pem() -> str:
    """A key whose password would take long to try: its PBKDF2 rounds are raised to 2,000,000,000 in the DER."""
    text = "".join(line for line in encrypted_key_pem().splitlines() if "-----" not in line)
    raw = base64.b64decode(text)
    pbkdf2 = raw.index(bytes.fromhex("06092a864886f70d01050c"))
    salt = raw.index(b"\x04", pbkdf2 + 11)
    rounds = salt + 2 + raw[salt + 1]
    assert raw[rounds] == 0x02
    size = raw[rounds + 1]
    number = (2_000_000_000).to_bytes(4, "big")
    grown = raw[: rounds + 1] + b"\x04" + number + raw[rounds + 2 + size :]
    added = 4 - size
    patched = bytearray(grown)
    _grow(patched, rounds, added)
    body = base64.encodebytes(bytes(patched)).decode()
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}-----END ENCRYPTED PRIVATE KEY-----\n"


def _grow(raw: bytearray, at: int, by: int) -> None:
    """Add to the length of every SEQUENCE that encloses this place."""
    position = 0
    while position < at:
        tag, first = raw[position], raw[position + 1]
        header = 2 if first < 128 else 2 + (first & 0x7F)
        length = first if first < 128 else int.from_bytes(raw[position + 2 : position + header], "big")
        if tag == 0x30 and position + header <= at < position + header + length + by:
            if first < 128:
                raw[position + 1] += by
            else:
                raw[position + 2 : position + header] = (length + by).to_bytes(header - 2, "big")
            position += header
        else:
            position += header + length


def public_key_pem() -> str:
    """A new public key."""
    return spki(ec.generate_private_key(ec.SECP256R1()))


def spki(key: ec.EllipticCurvePrivateKey) -> str:
    """Its public half, PEM."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def request_pem(subject: str = "pump") -> str:
    """A certificate signing request of a new key."""
    return request_of(ec.generate_private_key(ec.SECP256R1()), subject)


def request_of(key: ec.EllipticCurvePrivateKey, subject: str = "pump") -> str:
    """A certificate signing request of this key."""
    made = x509.CertificateSigningRequestBuilder().subject_name(name(subject)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def forged_request_pem() -> str:
    """A certificate signing request that was changed after it was signed."""
    raw = bytearray(
        x509.load_pem_x509_csr(request_pem("pump").encode()).public_bytes(serialization.Encoding.DER)
    )
    raw[raw.index(b"pump")] = ord("b")
    body = base64.encodebytes(bytes(raw)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
