"""The key decides how a device's JWT is verified; nothing in the token does."""

import base64
import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from hypothesis import given
from hypothesis import strategies as st

from pki import tokens
from pki.errors import Invalid
from tests.pki import make

ID = "0f3bb1c6-6f6e-4d55-9f6e-6a1c2b9d8e01"
KEY = make.p256()
PEM = make.public_pem(KEY)
SIGNERS: list[tuple[make.Signer, str]] = [
    (KEY, "ES256"),
    (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    (ed448.Ed448PrivateKey.generate(), "EdDSA"),
    (make.rsa_key(), "RS256"),
]


@pytest.mark.parametrize(("key", "algorithm"), SIGNERS)
def test_each_kind_of_key_has_its_algorithm(key: make.Signer, algorithm: str) -> None:
    found = tokens.read(make.jws(key, {"sub": ID}, {"alg": algorithm}))
    assert tokens.signed_by(found, make.public_pem(key))
    others = {"ES256", "EdDSA", "RS256", "ES384", "PS256", "RS512", "HS256", "none", "Ed25519", ""} - {
        algorithm
    }
    for other in others:
        found = tokens.read(make.jws(key, {"sub": ID}, {"alg": other}))
        assert not tokens.signed_by(found, make.public_pem(key))


@pytest.mark.parametrize(("key", "algorithm"), SIGNERS)
def test_another_key_did_not_sign(key: make.Signer, algorithm: str) -> None:
    found = tokens.read(make.jws(key, {"sub": ID}, {"alg": algorithm}))
    strangers: list[make.Signer] = [make.p256(), ed25519.Ed25519PrivateKey.generate(), make.rsa_key(3072)]
    strangers += [signer for signer, _ in SIGNERS if signer is not key]
    for stranger in strangers:
        assert not tokens.signed_by(found, make.public_pem(stranger))


@pytest.mark.parametrize(
    ("curve", "algorithm"), [(ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512"), (ec.SECP384R1(), "ES256")]
)
def test_keys_on_other_curves_sign_no_tokens(curve: ec.EllipticCurve, algorithm: str) -> None:
    key = ec.generate_private_key(curve)
    found = tokens.read(make.jws(key, {"sub": ID}, {"alg": algorithm}))
    assert not tokens.signed_by(found, make.public_pem(key))


@pytest.mark.parametrize("key", [KEY, make.rsa_key(), ed25519.Ed25519PrivateKey.generate()])
def test_the_public_key_is_no_shared_secret(key: make.Signer) -> None:
    pem = make.public_pem(key)
    signed = make.jws(key, {"sub": ID}, {"alg": "HS256"}).rpartition(".")[0]
    for secret in (pem, pem.strip()):
        mac = hmac.digest(secret.encode(), signed.encode(), sha256)
        assert not tokens.signed_by(tokens.read(f"{signed}.{make.base64url(mac)}"), pem)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": None},
        {"alg": ["ES256"]},
        {"alg": {"ES256": 1}},
        {"alg": 256},
        {"alg": "es256"},
        {"alg": "ES256", "b64": False},
    ],
)
def test_no_odd_header_verifies(header: dict[str, object]) -> None:
    assert not tokens.signed_by(tokens.read(make.jws(KEY, {"sub": ID}, header)), PEM)


def test_a_key_in_the_header_is_not_used() -> None:
    stranger = make.p256()
    header = {
        "alg": "ES256",
        "jwk": {"kty": "EC"},
        "x5c": [base64.b64encode(make.spki(stranger)).decode()],
        "kid": "1",
    }
    assert not tokens.signed_by(tokens.read(make.jws(stranger, {"sub": ID}, header)), PEM)
    assert tokens.signed_by(tokens.read(make.jws(KEY, {"sub": ID}, header)), PEM)


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], None, "b64"])
def test_a_header_with_crit_is_refused(crit: object) -> None:
    header = {"alg": "ES256", "crit": crit, "b64": True, "exp": 1}
    with pytest.raises(Invalid, match="crit"):
        tokens.read(make.jws(KEY, {"sub": ID}, header))


GENUINE = make.jws(KEY, {"sub": ID, "exp": 1780315200})


@given(st.integers(0, len(GENUINE) - 1), st.sampled_from("ABCXYZabcxyz0189-_."))
def test_no_changed_letter_verifies(place: int, letter: str) -> None:
    changed = f"{GENUINE[:place]}{letter}{GENUINE[place + 1 :]}"
    try:
        found = tokens.read(changed)
    except Invalid:
        return
    assert tokens.signed_by(found, PEM) == (changed == GENUINE)


def test_a_key_that_cannot_be_read_is_told() -> None:
    with pytest.raises(Invalid):
        tokens.signed_by(tokens.read(GENUINE), "no key")
