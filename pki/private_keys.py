"""An encrypted private key is opened once, to see whether it opens, and nothing of it is kept or told.

Errors are raised outside of `except` blocks: a chained exception could carry the password or the key into a
log by its message or its arguments.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

from pki import keys, pem, pkcs8
from pki.errors import UNREADABLE, Invalid

LABEL = "ENCRYPTED PRIVATE KEY"
MAX_PASSWORD = 1024


class WrongPassword(Invalid):
    """The password does not open the key, or the key is damaged: nobody can tell which."""


def check_encrypted_key(text: str, password: str) -> str:
    """A `clientPrivateKey` content: one encrypted PKCS#8 key that `password` opens, as normalised PEM.

    At most 16 KiB; the kinds of key in `keys.ALLOWED`; work factors within `pkcs8`. Costs at most about
    two seconds and 256 MiB. Raises Invalid, which holds neither the password nor the key.
    """
    secret = _password(password)
    block = _block(text)
    pkcs8.check(block.der)
    key = _opened(block.der, secret)
    keys.check(key.public_key())
    if isinstance(key, RSAPrivateKey) and not _consistent(key):
        raise Invalid("The numbers of the RSA key do not belong together. Make a new key.")
    return block.text


def _password(password: str) -> bytes:
    # An unencodable password must not end up in a UnicodeEncodeError.
    encodable = not any("\ud800" <= character <= "\udfff" for character in password)
    secret = password.encode() if encodable else b""
    if not 1 <= len(secret) <= MAX_PASSWORD or b"\0" in secret:
        raise Invalid(f"The password must be text of 1 to {MAX_PASSWORD:,} bytes without NUL.")
    return secret


def _block(text: str) -> pem.Block:
    blocks = pem.read(text, LABEL)
    for block in blocks:
        if block.label != LABEL or block.headers:
            raise Invalid(_wrong(block))
    if len(blocks) > 1:
        raise Invalid(f"It has {len(blocks)} private keys. Send one.")
    return blocks[0]


def _wrong(block: pem.Block) -> str:
    """What to do about a block that is not an encrypted PKCS#8 key."""
    kind = block.label
    if block.headers:
        return (
            f"The key is in OpenSSL's traditional encrypted format ({kind} with headers). "
            f"Convert it to PKCS#8 with `{pkcs8.REENCRYPT}`."
        )
    if kind == "OPENSSH PRIVATE KEY":
        return (
            "The key is in OpenSSH's format. Convert it with `ssh-keygen -p -m PKCS8 -f key.pem`, then "
            f"encrypt it with `{pkcs8.REENCRYPT}`."
        )
    if kind.endswith("PRIVATE KEY"):
        return f"The key is not encrypted ({kind}). Encrypt it with `{pkcs8.REENCRYPT}`."
    if kind == "CERTIFICATE":
        return f"It has a certificate in it. Certificates go into clientCertificate; send the {LABEL} alone."
    return f"It has a PEM block {kind} in it. Send the {LABEL} alone."


def _opened(encrypted: bytes, secret: bytes) -> PrivateKeyTypes:
    key, known = None, True
    try:
        # Validation tests the primes, whatever their size: a false RSA key of 1 KiB costs seconds, of 3 KiB
        # minutes.
        # `_consistent` does it once the sizes are known.
        key = load_der_private_key(encrypted, secret, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        known = False
    except UNREADABLE:
        pass
    if key is not None:
        return key
    if known:
        raise WrongPassword(
            "The password does not open the key, or the key is damaged. Try both with "
            "`openssl pkey -in key.pem -noout`."
        )
    raise Invalid(f"This kind of key is not taken. Make a key that is {keys.ALLOWED}.")


def _consistent(key: RSAPrivateKey) -> bool:
    """Whether an RSA key of a bounded size is sound; the library compares sizes before it tests primes."""
    try:
        key.private_numbers().private_key()
    except UNREADABLE:
        return False
    return True
