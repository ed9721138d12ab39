"""Real keys and certificates for the tests, and hostile ones that no tool would make."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.x509.oid import NameOID

from pki import der

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SAMPLES = Path(__file__).parent / "samples"
SESAME = "sesame"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey
Signer = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(ser.Encoding.PEM).decode()


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    ca: bool | None = None,
    key: Key | None = None,
    begin: datetime = NOW - 30 * DAY,
    end: datetime = NOW + 300 * DAY,
) -> Issued:
    """A certificate by `issuer`, or self-signed; `ca` None leaves the basic constraints out."""
    key = key or p256()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def version_1(issued: Issued, signer: Key) -> str:
    """The same certificate without version and extensions, as old roots are, signed by `signer`."""
    body = der.one(issued.certificate.tbs_certificate_bytes)
    kept = [field.whole for field in der.elements(body) if field.tag not in (0xA0, 0xA3)]
    tbs = der.element(der.SEQUENCE, b"".join(kept))
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    signature = der.element(der.BIT_STRING, b"\0" + signer.sign(tbs, ec.ECDSA(hashes.SHA256())))
    algorithm = der.elements(der.one(issued.certificate.public_bytes(ser.Encoding.DER)))[1].whole
    return pem("CERTIFICATE", der.element(der.SEQUENCE, tbs + algorithm + signature))


def request(key: Key | None = None) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key or p256(), hashes.SHA256())


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


def pem(label: str, data: bytes) -> str:
    body = base64.encodebytes(data).decode().replace("\n", "")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


def modem(data: bytes, cose: bytes = b"") -> str:
    parts = (data, cose) if cose else (data,)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.pem").read_text()


def encrypted(key: Key, password: str = SESAME) -> str:
    scheme = ser.BestAvailableEncryption(password.encode())
    return key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, scheme).decode()


def seq(*parts: bytes) -> bytes:
    return der.element(der.SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    return der.element(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(data: bytes) -> bytes:
    return der.element(der.OCTET_STRING, data)


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return der.element(der.OID, b"".join(map(_arc, (40 * first + second, *rest))))


def _arc(value: int) -> bytes:
    low = bytes((value & 0x7F,))
    while value := value >> 7:
        low = bytes((value & 0x7F | 0x80,)) + low
    return low


NULL = der.element(der.NULL, b"")
HMAC_SHA256 = seq(oid("1.2.840.113549.2.9"), NULL)
SALT = b"8 octets"
AES_256_CBC = seq(oid("2.16.840.1.101.3.4.1.42"), octets(bytes(16)))


def pbkdf2(*rest: bytes, rounds: int = 1, salt: bytes = SALT) -> bytes:
    """An AlgorithmIdentifier; `rest`: key length and hash, if any."""
    return seq(oid("1.2.840.113549.1.5.12"), seq(octets(salt), integer(rounds), *rest))


def scrypt(n: int, r: int, p: int, *rest: bytes) -> bytes:
    return seq(oid("1.3.6.1.4.1.11591.4.11"), seq(octets(SALT), integer(n), integer(r), integer(p), *rest))


def pbes2(kdf: bytes, cipher: bytes = AES_256_CBC) -> bytes:
    return seq(oid("1.2.840.113549.1.5.13"), seq(kdf, cipher))


def pkcs12_3des(rounds: int, salt: bytes = SALT) -> bytes:
    return seq(oid("1.2.840.113549.1.12.1.3"), seq(octets(salt), integer(rounds)))


def locked(scheme: bytes, data: bytes = bytes(144)) -> str:
    """An encrypted key that asks for `scheme`; what it holds is noise."""
    return pem("ENCRYPTED PRIVATE KEY", seq(scheme, octets(data)))


def enveloped(pkcs8: bytes) -> str:
    """Any PKCS#8 content, truly encrypted with SESAME in one round."""
    kdf = PBKDF2HMAC(hashes.SHA256(), 32, SALT, 1)
    padder, encryptor = (
        PKCS7(128).padder(),
        Cipher(algorithms.AES(kdf.derive(SESAME.encode())), modes.CBC(bytes(16))).encryptor(),
    )
    data = encryptor.update(padder.update(pkcs8) + padder.finalize()) + encryptor.finalize()
    return locked(pbes2(pbkdf2(HMAC_SHA256)), data)


def mersenne_numbers(a: int, b: int) -> tuple[int, ...]:
    """n, e, d, p, q, dp, dq, qi of a sound RSA key of the known primes 2**a - 1 and 2**b - 1."""
    p, q, e = 2**a - 1, 2**b - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    return p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def mersenne_key(a: int, b: int) -> rsa.RSAPrivateKey:
    n, e, d, p, q, dp, dq, qi = mersenne_numbers(a, b)
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def rsa_pkcs8(*numbers: int) -> bytes:
    """A PKCS#8 RSA key of the numbers n, e, d, p, q, dp, dq, qi, sound or not."""
    algorithm = seq(oid("1.2.840.113549.1.1.1"), NULL)
    return seq(integer(0), algorithm, octets(seq(integer(0), *map(integer, numbers))))


def dsa_pkcs8(p: int, q: int, g: int, x: int) -> bytes:
    algorithm = seq(oid("1.2.840.10040.4.1"), seq(integer(p), integer(q), integer(g)))
    return seq(integer(0), algorithm, octets(integer(x)))


def public_pem(key: Signer) -> str:
    return key.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo).decode()


def raw_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """r and s side by side, as COSE and JWS have them; SHA-256 whatever the curve."""
    size = (key.curve.key_size + 7) // 8
    return b"".join(
        number.to_bytes(size, "big")
        for number in decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    )


def sign1(key: ec.EllipticCurvePrivateKey, payload: bytes, *, key_id: int | None = -2) -> bytes:
    """A COSE_Sign1 message with its payload detached."""
    protected = cbor2.dumps({1: -7})
    signature = raw_signature(key, cbor2.dumps(["Signature1", protected, b"", payload]))
    unprotected = {} if key_id is None else {4: cbor2.dumps(key_id)}
    return cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected, None, signature]))


def identity(device_id: UUID, *, device_type: int = 4, firmware_id: UUID | None = None) -> bytes:
    """The body of an identity attestation token."""
    firmware = (firmware_id or UUID(int=7)).bytes
    return cbor2.dumps(cbor2.CBORTag(55799, [1, device_id.bytes, device_type, firmware, bytes(range(16))]))


def attestation(key: ec.EllipticCurvePrivateKey, body: bytes, *, key_id: int | None = -2) -> str:
    return modem(body, sign1(key, body, key_id=key_id))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jws(key: Signer, claims: object, header: Mapping[str, object] | None = None) -> str:
    """A token that `key` signed in its own way, whatever the header says."""
    parts = ({"typ": "JWT", "alg": "ES256"} if header is None else header, claims)
    text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
    return f"{text}.{base64url(_jws_signature(key, text.encode()))}"


def _jws_signature(key: Signer, data: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return raw_signature(key, data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data)
