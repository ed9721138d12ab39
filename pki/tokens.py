"""The JWT that a device signs in with (WIRE.md 9.2). What it claims counts once its signature verifies.

The key decides which algorithm verifies it, never the token. Times and audience are checked here, not by the
library: it reads the clock itself, and gives no reasons for those who have to act on them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NoReturn
from uuid import UUID

import ecdsa
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ecdsa import numbertheory
from ecdsa.ecdsa import InvalidPointError
from ecdsa.errors import MalformedPointError

from pki import base64url, keys
from pki.errors import Invalid
from pki.requests import read_public_key

MAX_TOKEN = 4 * 1024  # bytes
LEEWAY = timedelta(seconds=60)
MOST = timedelta(hours=24)

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIRST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(2201, 1, 1, tzinfo=UTC).timestamp()  # exclusive
_ORDER = ecdsa.NIST256p.order
# What ecdsa raises where r is the x of no point, and where the key would be the point at infinity.
_NO_POINT = (numbertheory.Error, InvalidPointError, MalformedPointError, TypeError)
_JWS = jwt.PyJWS()
_SET_CLOCK = "Set the device's clock, or make the token anew."


@dataclass(frozen=True, slots=True)
class Token:
    """What a token claims. `text`, the token itself, is a secret for as long as it is valid."""

    device_id: UUID
    issued_at: datetime | None
    expires_at: datetime | None
    not_before: datetime | None
    audience: tuple[str, ...]
    text: str = field(repr=False)


def read(text: str) -> Token:
    """What a token claims, whoever signed it. Raises Invalid."""
    if len(text) > MAX_TOKEN:
        raise Invalid(f"The token is longer than {MAX_TOKEN:,} bytes. Leave out what is not needed.")
    if text.startswith("att."):
        raise Invalid("Attestation tokens are not taken as sign-in. Sign in with a JWT.")
    if not _COMPACT.fullmatch(text):
        raise Invalid('It is not a signed JWT, "<header>.<claims>.<signature>" in base64url.')
    header, claims, signature = text.split(".")
    _check_header(_object(header, "header"))
    found = _object(claims, "claims")
    _bytes(signature, "signature")
    return Token(
        _device_id(found),
        _time(found, "iat"),
        _time(found, "exp"),
        _time(found, "nbf"),
        _audience(found),
        text,
    )


def signed_by(token: Token, public_key_pem: str) -> bool:
    """Whether this key signed the token: EC on P-256 by ES256, Ed25519 and Ed448 by EdDSA, RSA by RS256.

    Raises Invalid if the key cannot be read, and nothing for whatever the token holds.
    """
    key = keys.read(read_public_key(public_key_pem))
    algorithm = _algorithm(key)
    try:
        if algorithm:
            _JWS.decode(token.text, key, algorithms=[algorithm])
    except (jwt.PyJWTError, RecursionError):
        return False
    return algorithm is not None


def check_times(token: Token, now: datetime, *, may_lack: bool) -> datetime | None:
    """Until when a session may last that the token opens at `now`; None: as long as it likes.

    Raises Invalid if the token is not valid at `now`. `may_lack`: it may have neither exp nor iat. A session
    never outlives exp, so within the leeway its end may be past.
    """
    ahead = now + LEEWAY
    if token.not_before and token.not_before > ahead:
        raise Invalid(f"The token is not valid yet. {_SET_CLOCK}")
    if token.issued_at and token.issued_at > ahead:
        raise Invalid(f"The token was issued in the future. {_SET_CLOCK}")
    if token.expires_at:
        return _end(token.expires_at, now)
    if token.issued_at:
        if now - token.issued_at > MOST:
            raise Invalid(f"The token was issued more than 24 hours ago and has no exp. {_SET_CLOCK}")
        return min(token.issued_at, now) + MOST
    if not may_lack:
        raise Invalid(
            "The token has neither exp nor iat. Add exp, at most 24 hours ahead, or set jwtWithoutExpiry"
            " for the tenant."
        )
    return None


def check_audience(token: Token, name: str, required: bool) -> None:
    """Raises Invalid if the token is for others than `name`, or, where that is required, for nobody named."""
    if token.audience and name not in token.audience:
        raise Invalid(f'The token is for another service. Set its aud to "{name}".')
    if required and not token.audience:
        raise Invalid(f'The token does not say which service it is for. Set its aud to "{name}".')


def candidates(token: Token) -> tuple[str, ...]:
    """The keys, as PEM, under which an ES256 token verifies: two as a rule, one of which is the device's.

    Empty for any other token. A second token by the same device tells which it is.
    """
    signing_input, _, last = token.text.rpartition(".")
    signature = _bytes(last, "signature")
    header = _object(signing_input.partition(".")[0], "header")
    if header.get("alg") != "ES256" or len(signature) != 64:
        return ()
    points = _points(signature, sha256(signing_input.encode()).digest())
    return tuple(pem for pem in dict.fromkeys(map(_pem, points)) if signed_by(token, pem))


def _algorithm(key: keys.PublicKey) -> str | None:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ES256" if isinstance(key.curve, ec.SECP256R1) else None
    return "RS256" if isinstance(key, rsa.RSAPublicKey) else "EdDSA"


def _check_header(header: Mapping[str, object]) -> None:
    # RFC 7515 4.1.11: what it names must be understood, and nothing is here.
    if "crit" in header:
        raise Invalid("The header of the token has a crit, none of which is known here. Leave it out.")


def _bytes(part: str, name: str) -> bytes:
    try:
        return base64url.read(part)
    except base64url.Malformed:
        raise Invalid(f"The {name} of the token is not base64url. Send the token unchanged.") from None


def _object(part: str, name: str) -> dict[str, object]:
    data = _bytes(part, name)
    try:
        # json takes NaN and repeated names by itself.
        value = json.loads(data.decode(), parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Invalid(f"The {name} of the token cannot be read as a JSON object. Make the token anew.")
    return value


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _device_id(claims: Mapping[str, object]) -> UUID:
    subject, issuer = claims.get("sub"), claims.get("iss")
    named = [] if subject is None else [subject]
    if isinstance(issuer, str):
        first, dot, rest = issuer.partition(".")
        issuer = rest if dot else first
    if issuer is not None:
        named.append(issuer)
    ids = {name if isinstance(name, str) and _UUID.fullmatch(name) else "" for name in named}
    if len(ids) > 1 and "" not in ids:
        raise Invalid("The sub and the iss of the token name two devices. Name one, or leave one out.")
    if not ids or "" in ids:
        raise Invalid(
            'The token does not name the device. Set sub to the device id, or iss to "<chip>.<device id>";'
            " the id in lower case, with dashes."
        )
    return UUID(ids.pop())


def _time(claims: Mapping[str, object], name: str) -> datetime | None:
    if name not in claims:
        return None
    value = claims[name]
    # Infinity, which json reads from 1e999, is out of range too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not _FIRST <= value < _LAST:
        raise Invalid(f"The {name} of the token is not in seconds since 1970, within the years 2000 to 2200.")
    return datetime.fromtimestamp(value, UTC)


def _audience(claims: Mapping[str, object]) -> tuple[str, ...]:
    value = claims.get("aud", ())
    names = (value,) if isinstance(value, str) else value
    # No name at all would pass for a token that is for everybody.
    if isinstance(names, list | tuple) and (names or "aud" not in claims):
        texts = tuple(name for name in names if isinstance(name, str))
        if len(texts) == len(names):
            return texts
    raise Invalid("The aud of the token is neither a text nor a list of texts. Set it, or leave it out.")


def _end(expires_at: datetime, now: datetime) -> datetime:
    if now > expires_at + LEEWAY:
        raise Invalid(f"The token has expired. {_SET_CLOCK}")
    if expires_at > now + MOST + LEEWAY:
        raise Invalid("The token expires more than 24 hours from now. Make one that expires sooner.")
    return min(expires_at, now + MOST)


def _points(signature: bytes, digest: bytes) -> list[tuple[int, int]]:
    """The points of P-256 that can be the public key of a signature of 64 bytes."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return []
    try:
        found = ecdsa.VerifyingKey.from_public_key_recovery_with_digest(
            signature, digest, ecdsa.NIST256p, sha256
        )
    except _NO_POINT:
        return []
    return [(key.pubkey.point.x(), key.pubkey.point.y()) for key in found]


def _pem(point: tuple[int, int]) -> str:
    key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
