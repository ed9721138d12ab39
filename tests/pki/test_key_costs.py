"""Opening a key costs what its sender chose; how much of that is let through (API.md, clientPrivateKey)."""

import random
import time

import pytest

from pki import pem, pkcs8
from pki.errors import Invalid
from pki.private_keys import check_encrypted_key
from tests.pki import make
from tests.pki.make import AES_256_CBC, HMAC_SHA256, NULL, SESAME, integer, octets, oid, pbes2, seq

NUMBERS = random.Random(7)


def refusal(text: str) -> str:
    """The reason of a refusal that came before any work was done."""
    start = time.perf_counter()
    with pytest.raises(Invalid) as refused:
        check_encrypted_key(text, SESAME)
    assert time.perf_counter() - start < 0.2
    return refused.value.reason


def passes(scheme: bytes) -> None:
    (block,) = pem.read(make.locked(scheme), "")
    pkcs8.check(block.der)


def test_the_known_attack_of_404_bytes_is_refused_at_once() -> None:
    text = make.locked(pbes2(make.pbkdf2(HMAC_SHA256, rounds=2**31 - 1)))
    assert len(text) < 500
    assert "asks for 2,147,483,647 rounds" in refusal(text)


@pytest.mark.parametrize("rounds", [1_000_001, 10**9, 2**63])
def test_too_many_rounds_are_refused(rounds: int) -> None:
    assert f"asks for {rounds:,} rounds" in refusal(make.locked(pbes2(make.pbkdf2(rounds=rounds))))
    assert f"asks for {rounds:,} rounds" in refusal(make.locked(make.pkcs12_3des(rounds)))


@pytest.mark.parametrize("rounds", [1, 2048, 1_000_000])
def test_rounds_to_a_million_pass(rounds: int) -> None:
    passes(pbes2(make.pbkdf2(HMAC_SHA256, rounds=rounds)))
    passes(make.pkcs12_3des(rounds))


@pytest.mark.parametrize(
    ("n", "r", "p"),
    [
        (2**18, 8, 1),
        (2**17, 17, 1),
        (2**17, 8, 3),
        (2**10, 2**12, 1),
        (2, 1, 2**30),
        (2, 2**30, 1),
        (2**63, 1, 1),
    ],
)
def test_scrypt_that_takes_too_much_memory_or_time_is_refused(n: int, r: int, p: int) -> None:
    assert f"scrypt with N = {n}, r = {r}, p = {p}" in refusal(make.locked(pbes2(make.scrypt(n, r, p))))


@pytest.mark.parametrize(
    ("n", "r", "p"), [(2**14, 8, 1), (2**17, 8, 2), (2**17, 16, 1), (2**10, 8, 256), (2, 1, 1)]
)
def test_scrypt_within_the_limits_passes(n: int, r: int, p: int) -> None:
    passes(pbes2(make.scrypt(n, r, p)))
    passes(pbes2(make.scrypt(n, r, p, integer(32))))


def test_the_highest_work_factors_take_no_more_than_seconds() -> None:
    start = time.perf_counter()
    for scheme in (
        pbes2(make.pbkdf2(rounds=1_000_000)),
        pbes2(make.scrypt(2**17, 8, 2)),
    ):
        with pytest.raises(Invalid, match="The password does not open the key"):
            check_encrypted_key(make.locked(scheme), SESAME)
    assert time.perf_counter() - start < 4


@pytest.mark.parametrize(
    "scheme",
    [
        pbes2(make.pbkdf2(rounds=0)),
        pbes2(make.pbkdf2(rounds=2**64)),
        pbes2(make.pbkdf2(integer(2**30), HMAC_SHA256)),
        pbes2(make.pbkdf2(integer(16), HMAC_SHA256)),
        pbes2(make.pbkdf2(salt=b"")),
        pbes2(make.pbkdf2(salt=bytes(129))),
        pbes2(make.pbkdf2(HMAC_SHA256, HMAC_SHA256)),
        pbes2(make.pbkdf2(HMAC_SHA256, integer(32))),
        pbes2(make.pbkdf2(NULL)),
        pbes2(make.pbkdf2(seq())),
        pbes2(make.pbkdf2(seq(oid("1.2.840.113549.2.9"), octets(b"")))),
        pbes2(make.pbkdf2(seq(oid("1.2.840.113549.2.9"), b"\x05\x01\x00"))),
        pbes2(make.scrypt(2**14, 0, 1)),
        pbes2(make.scrypt(2**14, 8, 0)),
        pbes2(make.scrypt(2**14 - 1, 8, 1)),
        pbes2(make.scrypt(1, 8, 1)),
        pbes2(make.scrypt(2**14, 8, 1, integer(2**40))),
        pbes2(make.pbkdf2(), seq(oid("2.16.840.1.101.3.4.1.42"), octets(bytes(15)))),
        pbes2(make.pbkdf2(), seq(oid("2.16.840.1.101.3.4.1.42"))),
        pbes2(make.pbkdf2(), AES_256_CBC + NULL),
        pbes2(b""),
        make.pkcs12_3des(0),
        make.pkcs12_3des(1, salt=bytes(129)),
        seq(oid("1.2.840.113549.1.5.13")),
        seq(oid("1.2.840.113549.1.5.13"), NULL),
        seq(),
        b"",
    ],
)
def test_parameters_that_no_tool_writes_are_refused(scheme: bytes) -> None:
    assert "damaged or not laid out as PKCS#8" in refusal(make.locked(scheme))


@pytest.mark.parametrize(
    "scheme",
    [
        pbes2(make.pbkdf2(seq(oid("1.2.840.113549.2.6"), NULL))),
        pbes2(seq(oid("1.2.840.113549.1.5.99"), seq())),
        pbes2(make.pbkdf2(), seq(oid("2.16.840.1.101.3.4.1.46"), octets(bytes(12)))),
        seq(oid("1.2.840.113549.1.5.3"), seq(octets(bytes(8)), integer(1))),
    ],
    ids=["HMAC-MD5", "unknown derivation", "AES-GCM", "PBES1"],
)
def test_unknown_algorithms_are_refused_by_their_number(scheme: bytes) -> None:
    assert "that is not taken (" in refusal(make.locked(scheme))


def test_an_explicit_key_length_that_fits_the_cipher_passes() -> None:
    passes(pbes2(make.pbkdf2(integer(32), HMAC_SHA256)))


def test_more_encrypted_bytes_than_any_key_needs_are_refused() -> None:
    scheme = pbes2(make.pbkdf2(HMAC_SHA256))
    assert "larger than any that is taken" in refusal(make.locked(scheme, bytes(3088)))
    assert "The password does not open" in refusal(make.locked(scheme, bytes(3072)))


def test_an_rsa_key_over_4096_bits_is_refused_before_its_primes_are_tested() -> None:
    numbers = make.mersenne_numbers(2203, 2281)
    assert "has 4,484 bits" in refusal(make.enveloped(make.rsa_pkcs8(*numbers)))


def test_a_false_rsa_key_with_a_giant_prime_costs_nothing() -> None:
    giant = 2**9941 - 1
    modulus = NUMBERS.getrandbits(4096) | 1 | 1 << 4095
    assert "do not belong together" in refusal(
        make.enveloped(make.rsa_pkcs8(modulus, 65537, 3, giant, 7, 1, 1, 1))
    )


def test_a_dsa_key_of_giant_numbers_is_refused_unopened() -> None:
    p = NUMBERS.getrandbits(30_000) | 1 | 1 << 29_999
    text = make.enveloped(make.dsa_pkcs8(p, NUMBERS.getrandbits(256) | 1, 2, p // 3))
    assert "larger than any that is taken" in refusal(text)
