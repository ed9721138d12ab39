import json

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import Invalid
from pki.sealing import CannotOpen, Sealer, new_key

OLD, NEW = new_key(), new_key()
SECRET = {"content": "-----BEGIN ENCRYPTED", "password": "planted-7391"}
SEALER = Sealer([NEW])


@given(st.dictionaries(st.text(), st.text()))
def test_what_was_sealed_opens_again(plain: dict[str, str]) -> None:
    assert SEALER.open(SEALER.seal(plain)) == plain


def test_a_sealed_value_is_plain_ascii_and_shows_nothing() -> None:
    token = SEALER.seal(SECRET)
    assert token.isascii()
    assert "planted" not in token
    assert token != SEALER.seal(SECRET)


def test_the_first_key_seals_and_every_key_opens() -> None:
    both = Sealer([NEW, OLD])
    assert both.open(Sealer([OLD]).seal(SECRET)) == SECRET
    assert Sealer([NEW]).open(both.seal(SECRET)) == SECRET
    with pytest.raises(CannotOpen):
        Sealer([OLD]).open(both.seal(SECRET))


def test_a_resealed_value_needs_the_old_key_no_more() -> None:
    token = Sealer([NEW, OLD]).reseal(Sealer([OLD]).seal(SECRET))
    assert Sealer([NEW]).open(token) == SECRET
    with pytest.raises(CannotOpen):
        Sealer([OLD]).open(token)


def test_without_its_key_a_value_says_which_setting_must_hold_it() -> None:
    token = Sealer([OLD]).seal(SECRET)
    for attempt in (SEALER.open, SEALER.reseal):
        with pytest.raises(CannotOpen, match="KEYSEED_FIELD_KEYS"):
            attempt(token)


@given(st.text(max_size=200))
def test_any_other_text_cannot_be_opened(text: str) -> None:
    for attempt in (SEALER.open, SEALER.reseal):
        with pytest.raises(CannotOpen):
            attempt(text)


@given(st.integers(0, 139), st.integers(1, 255))
def test_a_changed_value_cannot_be_opened(place: int, change: int) -> None:
    token = bytearray(SEALER.seal(SECRET).encode())
    token[place] ^= change
    try:
        opened = SEALER.open(token.decode("latin-1"))
    except CannotOpen:
        return
    # Only the unused bits of the last base64 digit may differ.
    assert opened == SECRET


@pytest.mark.parametrize("inner", ["no json, but planted-7391", json.dumps(["planted-7391"])])
def test_a_foreign_content_cannot_be_opened_and_is_not_repeated(inner: str) -> None:
    token = Fernet(NEW).encrypt(inner.encode()).decode()
    with pytest.raises(CannotOpen) as refused:
        SEALER.open(token)
    assert refused.value.__context__ is None
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["", "short", OLD[:-1], OLD + "=", OLD[:-2] + "!=", " " + OLD, "ż" * 43 + "=", OLD + "\n"]
)
def test_a_key_that_is_none_is_refused_by_its_place_and_not_repeated(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        Sealer([NEW, key])
    assert refused.value.reason.startswith("Key 2 of KEYSEED_FIELD_KEYS is not")
    assert not key.strip("=") or key not in refused.value.reason


def test_no_keys_at_all_are_refused() -> None:
    with pytest.raises(Invalid, match="KEYSEED_FIELD_KEYS is empty"):
        Sealer([])


def test_new_keys_differ_and_serve() -> None:
    assert new_key() != new_key()
    assert Sealer([new_key()]).seal({})


def test_no_key_is_in_the_repr() -> None:
    assert OLD not in repr(Sealer([OLD]))
