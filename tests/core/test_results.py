"""What a device says that it made is believed as far as it proves it. Source: WIRE.md 3.1, 3.2, 3.5."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from commands import results
from commands.device_errors import DEVICE_CODES, MODEM_CODES
from commands.machine import ErrorCode, Kind
from commands.run import Answer
from tests.core import keys
from tests.core.lists import uuid

DER = Encoding.DER


def answer(kind: Kind, value: dict[str, object] | str | None) -> Answer:
    return results.success(uuid(1), 3, kind, value)


def forged() -> str:
    """A request whose signature is not its key's."""
    der = keys.csr(1, DER)
    return keys.modem(der[:-1] + bytes([der[-1] ^ 1]))


GOOD: list[tuple[str, Kind, dict[str, object] | str, dict[str, str]]] = [
    ("a public key", Kind.KEY, {"publicKey": keys.public_key(1)}, {"publicKey": keys.public_key(1)}),
    (
        "a public key and the request that proves it",
        Kind.KEY,
        {"publicKey": keys.public_key(1), "csr": keys.csr_pem(1)},
        {"publicKey": keys.public_key(1), "csr": keys.csr_pem(1)},
    ),
    ("a modem's public key", Kind.KEY, keys.modem(keys.spki(1)), {"publicKey": keys.modem(keys.spki(1))}),
    (
        "a modem's request where a key was asked for",
        Kind.KEY,
        keys.modem(keys.csr(1, DER)),
        {"publicKey": keys.modem(keys.csr(1, DER))},
    ),
    ("a request", Kind.CSR, {"csr": keys.csr_pem(1)}, {"csr": keys.csr_pem(1)}),
    ("a modem's request", Kind.CSR, keys.modem(keys.csr(1, DER)), {"csr": keys.modem(keys.csr(1, DER))}),
]


@pytest.mark.parametrize(
    ("kind", "value", "kept"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD]
)
def test_what_the_device_made_is_kept(
    kind: Kind, value: dict[str, object] | str, kept: dict[str, str]
) -> None:
    given = answer(kind, value)
    assert (given.command_id, given.attempt, given.error) == (uuid(1), 3, None)
    assert given.response == kept


BAD: list[tuple[str, Kind, dict[str, object] | str | None, str]] = [
    ("no value", Kind.KEY, None, "has no `publicKey`"),
    ("an empty value", Kind.CSR, {}, "has no `csr`"),
    ("a request instead of a key", Kind.KEY, {"csr": keys.csr_pem(1)}, "has no `publicKey`"),
    ("a key instead of a request", Kind.CSR, {"publicKey": keys.public_key(1)}, "has no `csr`"),
    ("no key at all", Kind.KEY, {"publicKey": "hello, world"}, "neither PEM nor"),
    ("a certificate", Kind.KEY, {"publicKey": keys.certificate(1)}, "not a single PEM block PUBLIC KEY"),
    ("noise in modem style", Kind.CSR, "AAAA.AAAA", "not a PKCS#10"),
    ("a forged request", Kind.CSR, {"csr": forged()}, "does not verify"),
    (
        "a request for another key",
        Kind.KEY,
        {"publicKey": keys.public_key(1), "csr": keys.csr_pem(2)},
        "for another key than `publicKey`",
    ),
]


@pytest.mark.parametrize(
    ("kind", "value", "reason"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_what_does_not_hold_is_a_bad_result_and_kept_for_the_owner(
    kind: Kind, value: dict[str, object] | str | None, reason: str
) -> None:
    given = answer(kind, value)
    assert given.error is not None
    assert (given.error.code, given.error.detail) == (ErrorCode.BAD_RESULT, None)
    assert reason in given.error.message
    if isinstance(value, dict):
        assert given.response == value
    elif value is not None:
        assert value in (given.response or {}).values()


@pytest.mark.parametrize("kind", [Kind.PLAIN, Kind.FINISHED])
def test_a_command_that_makes_nothing_needs_no_value_and_keeps_none(kind: Kind) -> None:
    given = {answer(kind, value) for value in (None, "noise")}
    assert len({one.digest for one in given}) == 1
    assert {(one.response, one.error) for one in given} == {(None, None)}


def failed(code: int, said: str) -> str:
    """What the owner is told."""
    given = results.failure(uuid(1), 3, code, said)
    assert given.error is not None
    assert (given.error.code, given.error.detail) == (ErrorCode.DEVICE, code)
    assert (given.command_id, given.attempt, given.response) == (uuid(1), 3, None)
    return given.error.message


def test_a_failure_has_the_devices_number_and_its_words() -> None:
    assert failed(-7, "The valve is stuck.") == "The valve is stuck."
    assert failed(3, "no room") == "no room"


@pytest.mark.parametrize(
    ("code", "words"),
    [*DEVICE_CODES.items(), (-7, "the device gave no reason"), (520, "the device gave no reason")],
)
def test_a_failure_without_words_says_what_its_number_means(code: int, words: str) -> None:
    assert failed(code, "") == words


def test_the_numbers_are_those_of_the_wire() -> None:
    assert set(DEVICE_CODES) == {1, 2, 3, 4, 5}
    assert not set(DEVICE_CODES) & set(MODEM_CODES)


@pytest.mark.parametrize("code", MODEM_CODES)
@pytest.mark.parametrize(
    "said", ["", "ERROR", "\r\nERROR\r\n", "+CME ERROR: 513", "+CME ERROR:7\r\n"], ids=repr
)
def test_a_modems_number_alone_says_what_to_do(code: int, said: str) -> None:
    assert failed(code, said) == MODEM_CODES[code]


@pytest.mark.parametrize("sentence", MODEM_CODES.values())
def test_what_to_do_is_a_sentence(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ": " in sentence


@pytest.mark.parametrize("code", [code for code in MODEM_CODES if code >= 100])
def test_what_a_device_says_of_its_modems_error_follows(code: int) -> None:
    assert failed(code, "PEM too long") == f"{MODEM_CODES[code]} The device said: PEM too long"


@pytest.mark.parametrize("code", [0, 50, 51])
def test_a_low_number_with_words_is_the_devices_own(code: int) -> None:
    assert failed(code, "The valve is stuck.") == "The valve is stuck."


def test_a_modems_number_that_nobody_knows_comes_with_what_was_said() -> None:
    assert failed(520, "ERROR") == "ERROR"


@pytest.mark.parametrize("said", [" " * 1024, "+CME ERROR: " + "9" * 1012, "+CME ERROR:" + " " * 1013])
def test_a_long_message_is_looked_at_in_no_time(said: str) -> None:
    start = time.process_time()
    failed(513, said)
    assert time.process_time() - start < 0.1


def test_one_result_has_one_digest_and_another_has_another() -> None:
    def every() -> list[Answer]:
        return [
            answer(Kind.PLAIN, None),
            answer(Kind.KEY, {"publicKey": keys.public_key(1)}),
            answer(Kind.KEY, {"publicKey": keys.public_key(2)}),
            answer(Kind.KEY, {"publicKey": keys.public_key(1), "csr": keys.csr_pem(1)}),
            answer(Kind.KEY, {"publicKey": "no key"}),
            answer(Kind.KEY, None),
            answer(Kind.CSR, {"csr": keys.csr_pem(1)}),
            results.failure(uuid(1), 0, 3, "no room"),
            results.failure(uuid(1), 0, 3, "no room!"),
            results.failure(uuid(1), 0, 4, "no room"),
        ]

    digests = [one.digest for one in every()]
    assert len(set(digests)) == len(digests)
    assert [one.digest for one in every()] == digests
    assert {len(digest) for digest in digests} == {32}
