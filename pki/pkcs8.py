"""What opening an encrypted key would cost is read from its DER before anything is derived from a password.

The work factors are the sender's to choose: a key of 404 bytes can ask for 12 seconds of PBKDF2, another for
gigabytes of memory by scrypt. Whatever passes `check` opens in less than about a second and 256 MiB.
"""

from pki import der
from pki.errors import Invalid

MAX_ROUNDS = 1_000_000  # API.md, clientPrivateKey
MAX_SCRYPT_N = 2**17  # API.md, clientPrivateKey
MAX_SCRYPT_MEMORY = 256 * 1024 * 1024
# N·r·p counts scrypt's block mixes; this many take about as long as MAX_ROUNDS.
MAX_SCRYPT_WORK = 2**21
MAX_SALT = 128
# RSA of 4,096 bits takes 2,384 bytes. The bound matters because a DSA key is loaded with an exponentiation
# by numbers of the sender's choice: 16 KiB of them cost a minute.
MAX_ENCRYPTED = 3072

REENCRYPT = "openssl pkey -in key.pem -aes-256-cbc -out encrypted.pem"

_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_PKCS12_SHA1_3DES = "1.2.840.113549.1.12.1.3"
_CIPHERS = {  # key and IV sizes
    "2.16.840.1.101.3.4.1.2": (16, 16),  # AES-128-CBC
    "2.16.840.1.101.3.4.1.22": (24, 16),  # AES-192-CBC
    "2.16.840.1.101.3.4.1.42": (32, 16),  # AES-256-CBC
    "1.2.840.113549.3.7": (24, 8),  # DES-EDE3-CBC
}
_PRFS = frozenset(f"1.2.840.113549.2.{arc}" for arc in (7, 8, 9, 10, 11))  # HMAC with SHA-1, -224 to -512


def check(encrypted: bytes) -> None:
    """Raise Invalid unless `encrypted`, a DER EncryptedPrivateKeyInfo, is of a known kind and cheap."""
    try:
        algorithm, data = der.fields(der.one(encrypted), der.SEQUENCE, der.OCTET_STRING)
        _check_scheme(algorithm)
    except der.Malformed:
        raise Invalid(
            "The encrypted key is damaged or not laid out as PKCS#8 wants it. Make it again with "
            f"`{REENCRYPT}`."
        ) from None
    if len(data) > MAX_ENCRYPTED:
        raise Invalid(
            "The encrypted key is larger than any that is taken. Use RSA of at most 4,096 bits, or EC."
        )


def _check_scheme(identifier: bytes) -> None:
    scheme, parameters = der.algorithm(identifier)
    if scheme == _PBES2:
        kdf, cipher = der.fields(der.one(parameters), der.SEQUENCE, der.SEQUENCE)
        _check_kdf(kdf, _key_size(cipher))
    elif scheme == _PKCS12_SHA1_3DES:
        salt, rounds = der.fields(der.one(parameters), der.OCTET_STRING, der.INTEGER)
        _check_salt(salt)
        _check_rounds(rounds)
    else:
        raise _unknown("scheme", scheme)


def _key_size(cipher: bytes) -> int:
    oid, parameters = der.algorithm(cipher)
    if oid not in _CIPHERS:
        raise _unknown("cipher", oid)
    key_size, iv_size = _CIPHERS[oid]
    if len(der.one(parameters, der.OCTET_STRING)) != iv_size:
        raise der.Malformed("IV of the wrong size")
    return key_size


def _check_kdf(kdf: bytes, key_size: int) -> None:
    oid, parameters = der.algorithm(kdf)
    if oid == _PBKDF2:
        _check_pbkdf2(der.one(parameters), key_size)
    elif oid == _SCRYPT:
        _check_scrypt(der.one(parameters), key_size)
    else:
        raise _unknown("key derivation", oid)


def _check_pbkdf2(parameters: bytes, key_size: int) -> None:
    """RFC 8018 A.2: salt, iterationCount, keyLength OPTIONAL, prf DEFAULT HMAC with SHA-1."""
    salt, rounds, length, prf = der.fields(
        parameters, der.OCTET_STRING, der.INTEGER, optional=(der.INTEGER, der.SEQUENCE)
    )
    _check_salt(salt)
    _check_rounds(rounds)
    _check_length(length, key_size)
    if prf:
        oid, nothing = der.algorithm(prf)
        if oid not in _PRFS:
            raise _unknown("PBKDF2 hash", oid)
        if nothing and der.one(nothing, der.NULL):
            raise der.Malformed("NULL with a content")


def _check_scrypt(parameters: bytes, key_size: int) -> None:
    """RFC 7914 7.1: salt, costParameter N, blockSize r, parallelizationParameter p, keyLength OPTIONAL."""
    salt, *factors, length = der.fields(
        parameters, der.OCTET_STRING, der.INTEGER, der.INTEGER, der.INTEGER, optional=(der.INTEGER,)
    )
    _check_salt(salt)
    _check_length(length, key_size)
    n, r, p = map(der.number, factors)
    if n < 2 or n & (n - 1) or not r or not p:
        raise der.Malformed("scrypt parameters out of their range")
    if n > MAX_SCRYPT_N or n * r * 128 > MAX_SCRYPT_MEMORY or n * r * p > MAX_SCRYPT_WORK:
        raise Invalid(
            f"The key asks for scrypt with N = {n}, r = {r}, p = {p}. At most N = {MAX_SCRYPT_N}, 256 MiB "
            f"of memory and N·r·p = {MAX_SCRYPT_WORK} are taken. Encrypt it again with `{REENCRYPT}`."
        )


def _check_rounds(body: bytes) -> None:
    rounds = der.number(body)
    if rounds > MAX_ROUNDS:
        raise Invalid(
            f"The key asks for {rounds:,} rounds of key derivation; at most {MAX_ROUNDS:,} are taken. "
            f"Encrypt it again with `{REENCRYPT}`."
        )
    if not rounds:
        raise der.Malformed("no rounds")


def _check_salt(salt: bytes) -> None:
    if not 1 <= len(salt) <= MAX_SALT:
        raise der.Malformed("salt of an absurd size")


def _check_length(body: bytes, key_size: int) -> None:
    # A stated keyLength may only repeat what the cipher needs anyway.
    if body and der.number(body) != key_size:
        raise der.Malformed("key length that is not the cipher's")


def _unknown(what: str, oid: str) -> Invalid:
    return Invalid(
        f"The key is encrypted with a {what} that is not taken ({oid}). "
        f"Encrypt it with PBES2 and AES: `{REENCRYPT}`."
    )
