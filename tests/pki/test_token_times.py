"""How long a device's JWT counts, and for which service."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import tokens
from pki.errors import Invalid
from pki.tokens import LEEWAY, MOST, Token
from tests.pki import make
from tests.pki.make import NOW

ID = "0f3bb1c6-6f6e-4d55-9f6e-6a1c2b9d8e01"
KEY = make.p256()
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def at(time: datetime) -> float:
    return time.timestamp()


def token(**claims: object) -> Token:
    return tokens.read(make.jws(KEY, {"sub": ID, **claims}))


def untimely(*, may_lack: bool = False, **claims: object) -> str:
    with pytest.raises(Invalid) as refused:
        tokens.check_times(token(**claims), NOW, may_lack=may_lack)
    return refused.value.reason


def lasts(*, may_lack: bool = False, **claims: object) -> datetime | None:
    return tokens.check_times(token(**claims), NOW, may_lack=may_lack)


def test_a_session_ends_with_exp() -> None:
    assert lasts(exp=at(NOW + HOUR)) == NOW + HOUR
    assert lasts(exp=at(NOW + HOUR), iat=at(NOW - HOUR)) == NOW + HOUR
    assert lasts(exp=at(NOW + HOUR), iat=at(NOW - 48 * HOUR)) == NOW + HOUR
    assert lasts(exp=at(NOW + HOUR), may_lack=True) == NOW + HOUR


def test_exp_may_be_a_minute_past() -> None:
    for past in (timedelta(0), SECOND, LEEWAY):
        assert lasts(exp=at(NOW - past)) == NOW - past
    for past in (LEEWAY + SECOND, HOUR, 10_000 * HOUR):
        assert "has expired" in untimely(exp=at(NOW - past))
        assert "has expired" in untimely(exp=at(NOW - past), iat=at(NOW), may_lack=True)


def test_exp_is_at_most_a_day_ahead() -> None:
    assert lasts(exp=at(NOW + MOST)) == NOW + MOST
    assert lasts(exp=at(NOW + MOST + LEEWAY)) == NOW + MOST
    for ahead in (MOST + LEEWAY + SECOND, 2 * MOST, 365 * MOST):
        assert "more than 24 hours from now" in untimely(exp=at(NOW + ahead))


def test_without_exp_a_session_ends_a_day_after_iat() -> None:
    assert lasts(iat=at(NOW)) == NOW + MOST
    assert lasts(iat=at(NOW - HOUR)) == NOW - HOUR + MOST
    assert lasts(iat=at(NOW - MOST)) == NOW
    assert lasts(iat=at(NOW + LEEWAY)) == NOW + MOST
    for past in (MOST + SECOND, 2 * MOST):
        assert "more than 24 hours ago" in untimely(iat=at(NOW - past), may_lack=True)


def test_iat_is_at_most_a_minute_ahead() -> None:
    assert lasts(iat=at(NOW + LEEWAY), exp=at(NOW + HOUR)) == NOW + HOUR
    assert "issued in the future" in untimely(iat=at(NOW + LEEWAY + SECOND))
    assert "issued in the future" in untimely(iat=at(NOW + LEEWAY + SECOND), exp=at(NOW + HOUR))


def test_nbf_is_at_most_a_minute_ahead() -> None:
    for good in (-MOST * 400, timedelta(0), LEEWAY):
        assert lasts(nbf=at(NOW + good), exp=at(NOW + HOUR)) == NOW + HOUR
        assert lasts(nbf=at(NOW + good), may_lack=True) is None
    assert "not valid yet" in untimely(nbf=at(NOW + LEEWAY + SECOND), exp=at(NOW + HOUR))
    assert "not valid yet" in untimely(nbf=at(NOW + LEEWAY + SECOND), may_lack=True)


def test_a_token_without_exp_and_iat_needs_leave() -> None:
    assert "neither exp nor iat" in untimely()
    assert "neither exp nor iat" in untimely(nbf=at(NOW))
    assert lasts(may_lack=True) is None


SECONDS = st.none() | st.integers(-200_000, 200_000)


@given(SECONDS, SECONDS, SECONDS, st.booleans())
def test_no_session_outlives_its_token_or_a_day(
    iat: int | None, exp: int | None, nbf: int | None, may_lack: bool
) -> None:
    claims = {"iat": iat, "exp": exp, "nbf": nbf}
    found = token(**{name: at(NOW) + value for name, value in claims.items() if value is not None})
    try:
        end = tokens.check_times(found, NOW, may_lack=may_lack)
    except Invalid:
        return
    if end is None:
        assert may_lack
        assert iat is exp is None
    else:
        assert NOW - LEEWAY <= end <= NOW + MOST
        assert found.expires_at is None or end <= found.expires_at
        assert found.issued_at is None or exp is not None or end <= found.issued_at + MOST


@pytest.mark.parametrize("audience", ["keyseed", ["keyseed"], ["other", "keyseed"]])
def test_a_token_for_this_service_is_taken(audience: object) -> None:
    for required in (True, False):
        tokens.check_audience(token(aud=audience), "keyseed", required)


@pytest.mark.parametrize("audience", ["other", "", "Keyseed", "keyseed2", ["other"], ["key", "seed"]])
def test_a_token_for_another_service_is_refused(audience: object) -> None:
    for required in (True, False):
        with pytest.raises(Invalid, match=r'for another service\. Set its aud to "keyseed"'):
            tokens.check_audience(token(aud=audience), "keyseed", required)


def test_a_token_for_no_service_is_refused_where_one_must_be_named() -> None:
    tokens.check_audience(token(), "keyseed", False)
    with pytest.raises(Invalid, match=r'does not say which service it is for\. Set its aud to "keyseed"'):
        tokens.check_audience(token(), "keyseed", True)
