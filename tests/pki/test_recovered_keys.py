"""An ES256 signature leaves few keys that can have made it; two tokens leave one."""

import time
from hashlib import sha256

import ecdsa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import tokens
from pki.requests import public_key_pem
from pki.tokens import Token
from tests.pki import make

ID = "0f3bb1c6-6f6e-4d55-9f6e-6a1c2b9d8e01"
KEY = make.p256()
PEM = make.public_pem(KEY)
ORDER = ecdsa.NIST256p.order
# The x of no point on the curve, and that of one: the base point.
NO_X, AN_X = 5 + 2, int(ecdsa.NIST256p.generator.x())


def token(key: make.Signer = KEY, algorithm: str = "ES256", **claims: object) -> Token:
    return tokens.read(make.jws(key, {"sub": ID, **claims}, {"alg": algorithm}))


def with_signature(signature: bytes) -> Token:
    signed = token().text.rpartition(".")[0]
    return tokens.read(f"{signed}.{make.base64url(signature)}")


def numbers(r: int, s: int) -> Token:
    return with_signature(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def test_the_true_key_is_among_the_candidates() -> None:
    for count in range(20):
        found = token(jti=count)
        keys = tokens.candidates(found)
        assert PEM in keys
        assert len(keys) == len(set(keys)) == 2
        assert all(tokens.signed_by(found, key) for key in keys)


def test_two_tokens_pin_one_key() -> None:
    first, second = tokens.candidates(token(jti=1)), tokens.candidates(token(jti=2))
    assert set(first) & set(second) == {PEM}


def test_tokens_by_two_devices_have_no_key_in_common() -> None:
    assert not set(tokens.candidates(token())) & set(tokens.candidates(token(make.p256())))


def test_a_candidate_is_spelled_as_a_stored_key_is() -> None:
    for key in tokens.candidates(token()):
        assert public_key_pem(key) == key


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEY, "EdDSA"),
        (KEY, "none"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        (ed25519.Ed25519PrivateKey.generate(), "ES256"),
        (make.rsa_key(), "RS256"),
        (make.rsa_key(), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ec.generate_private_key(ec.SECP384R1()), "ES256"),
    ],
)
def test_no_key_is_recovered_from_another_token(key: make.Signer, algorithm: str) -> None:
    found = tokens.candidates(token(key, algorithm))
    assert make.public_pem(key) not in found
    assert algorithm == "ES256" or found == ()


@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, 0),
        (0, 1),
        (AN_X, 0),
        (ORDER, 1),
        (AN_X, ORDER),
        (2**256 - 1, 2**256 - 1),
        (NO_X, 1),
        (AN_X, ORDER + 1),
    ],
)
def test_numbers_out_of_range_or_off_the_curve_give_no_key(r: int, s: int) -> None:
    assert tokens.candidates(numbers(r, s)) == ()


@pytest.mark.parametrize("size", [1, 63, 65, 128])
def test_a_signature_of_another_size_gives_no_key(size: int) -> None:
    assert tokens.candidates(with_signature(bytes([1]) * size)) == ()


def test_a_signature_whose_key_would_be_the_point_at_infinity_gives_none() -> None:
    signed = token().text.rpartition(".")[0]
    digest = int.from_bytes(sha256(signed.encode()).digest(), "big")
    for nonce in (1, 2, 12345):
        r = int((ecdsa.NIST256p.generator * nonce).x())
        s = digest * pow(nonce, -1, ORDER) % ORDER
        for sign in (s, ORDER - s):
            found = numbers(r, sign)
            assert all(tokens.signed_by(found, key) for key in tokens.candidates(found))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=64, max_size=64) | st.binary(max_size=63).map(lambda tail: tail.rjust(64, b"\0")))
def test_every_candidate_of_any_signature_verifies(signature: bytes) -> None:
    found = with_signature(signature)
    begin = time.process_time()
    keys = tokens.candidates(found)
    assert time.process_time() - begin < 1
    assert len(keys) <= 2
    assert all(tokens.signed_by(found, key) for key in keys)
