"""Every key taken from anyone is RSA of 2,048 to 4,096 bits, EC on P-256, P-384 or P-521, Ed25519 or Ed448.

Smaller RSA keys are within reach of factoring; larger ones are out of reach of most devices and cost us more
than they cost the sender. The algorithm is read from the DER first: merely loading a DH key tests its primes.
"""

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import PublicKeyAlgorithmOID

from pki import der
from pki.errors import UNREADABLE, Invalid

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey

ALLOWED = "RSA of 2,048 to 4,096 bits, EC on a named curve P-256, P-384 or P-521, Ed25519 or Ed448"
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096

ALGORITHMS = (
    PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5,
    PublicKeyAlgorithmOID.EC_PUBLIC_KEY,
    PublicKeyAlgorithmOID.ED25519,
    PublicKeyAlgorithmOID.ED448,
)
_DOTTED = frozenset(oid.dotted_string for oid in ALGORITHMS)
_EC = PublicKeyAlgorithmOID.EC_PUBLIC_KEY.dotted_string
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def read(spki: bytes) -> PublicKey:
    """The key in a DER SubjectPublicKeyInfo; Invalid if it cannot be read or is not ALLOWED."""
    try:
        identifier, _ = der.fields(der.one(spki), der.SEQUENCE, der.BIT_STRING)
        oid, parameters = der.algorithm(identifier)
        # RFC 5480 2.1.1: a curve is named; the library would take some that are spelled out.
        spelled_out = oid == _EC and parameters[:1] != bytes((der.OID,))
        key = load_der_public_key(spki) if oid in _DOTTED and not spelled_out else None
    except UNREADABLE:
        raise Invalid(f"The public key cannot be read. Make a key that is {ALLOWED}.") from None
    return check(key)


def check(key: object) -> PublicKey:
    """The same public key, if it is ALLOWED; else Invalid."""
    if isinstance(key, rsa.RSAPublicKey):
        return _check_rsa(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, _CURVES):
            return key
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return key
    raise Invalid(f"This kind of key is not taken. Make a key that is {ALLOWED}.")


def _check_rsa(key: rsa.RSAPublicKey) -> rsa.RSAPublicKey:
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise Invalid(f"The RSA key has {key.key_size:,} bits. Make a key that is {ALLOWED}.")
    exponent = key.public_numbers().e
    # FIPS 186-5 wants 2^16 < e < 2^256; 3 is still in use, and OpenSSL verifies no exponent above 64 bits.
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 64:
        raise Invalid("The RSA key has an unusual public exponent. Make a key with the exponent 65537.")
    return key
