"""A device's JWT is read strictly: one spelling of each claim, and nothing that could be read in two ways."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import tokens
from pki.errors import Invalid
from pki.tokens import Token
from tests.pki import make
from tests.pki.make import NOW

ID = "0f3bb1c6-6f6e-4d55-9f6e-6a1c2b9d8e01"
OTHER = "7d3f2b10-1111-4222-8333-444455556666"
KEY = make.p256()
PEM = make.public_pem(KEY)
MINUTE = timedelta(minutes=1)
UTF_16 = f'{{"sub":"{ID}"}}'.encode("utf-16")
NO_TIMES: list[object] = [
    None,
    True,
    "1780315200",
    [],
    0,
    -1,
    946684799,
    7289654400,
    1780315200000,
    10**300,
    1e300,
]
PUBLIC = [
    PEM,
    make.public_pem(ed25519.Ed25519PrivateKey.generate()),
    make.public_pem(ed448.Ed448PrivateKey.generate()),
    make.public_pem(make.rsa_key()),
]


def at(time: datetime) -> float:
    return time.timestamp()


def jwt(**claims: object) -> str:
    return make.jws(KEY, {"sub": ID, **claims})


def token(**claims: object) -> Token:
    return tokens.read(jwt(**claims))


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        tokens.read(text)
    return refused.value.reason


def assembled(header: str, claims: str, signature: bytes = b"signature") -> str:
    return ".".join(make.base64url(part) for part in (header.encode(), claims.encode(), signature))


def test_a_modems_claims_are_read() -> None:
    claims = {
        "jti": f"nRF9160.{OTHER}.5f0e",
        "iss": f"nRF9160.{ID}",
        "iat": at(NOW),
        "exp": at(NOW + 5 * MINUTE),
    }
    found = tokens.read(make.jws(KEY, claims))
    assert found.device_id == UUID(ID)
    assert (found.issued_at, found.expires_at, found.not_before) == (NOW, NOW + 5 * MINUTE, None)
    assert found.audience == ()
    assert tokens.signed_by(found, PEM)


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ID},
        {"iss": ID},
        {"iss": f"nRF9161.{ID}"},
        {"iss": f".{ID}"},
        {"sub": ID, "iss": ID},
        {"sub": ID, "iss": f"nRF9160.{ID}"},
    ],
)
def test_the_device_id_is_found_in_sub_or_iss(claims: object) -> None:
    assert tokens.read(make.jws(KEY, claims)).device_id == UUID(ID)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"jti": ID},
        {"sub": f"nRF9160.{ID}"},
        {"sub": ID.upper()},
        {"sub": ID.replace("-", "")},
        {"sub": f"{{{ID}}}"},
        {"sub": f"urn:uuid:{ID}"},
        {"sub": f"{ID} "},
        {"sub": f"{ID}\n"},
        {"sub": ID.replace("0", "٠")},
        {"sub": ""},
        {"sub": 5},
        {"sub": [ID]},
        {"sub": None},
        {"sub": None, "iss": 5},
        {"iss": f"a.b.{ID}"},
        {"iss": f"{ID}."},
        {"iss": f"nRF9160.{ID}.1"},
        {"iss": ""},
        {"sub": ID, "iss": "https://keys.example"},
        {"sub": ID, "iss": ""},
        {"sub": "", "iss": ID},
        {"sub": ID, "iss": ID.upper()},
    ],
)
def test_a_token_that_does_not_name_its_device_is_refused(claims: object) -> None:
    assert "does not name the device" in refusal(make.jws(KEY, claims))


@pytest.mark.parametrize("issuer", [OTHER, f"nRF9160.{OTHER}"])
def test_a_token_that_names_two_devices_is_refused(issuer: str) -> None:
    assert "name two devices" in refusal(jwt(iss=issuer))


@pytest.mark.parametrize(
    ("claim", "times"),
    [
        ("iat", lambda found: found.issued_at),
        ("exp", lambda found: found.expires_at),
        ("nbf", lambda found: found.not_before),
    ],
)
def test_times_are_seconds_between_2000_and_2200(
    claim: str, times: Callable[[Token], datetime | None]
) -> None:
    for good in (946684800, 946684800.0, 1780315200.25, 7289654399):
        found = times(token(**{claim: good}))
        assert found is not None
        assert found.timestamp() == good
    for bad in NO_TIMES:
        assert f"The {claim} of the token" in refusal(jwt(**{claim: bad}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 2000])
def test_a_time_that_is_no_finite_number_is_refused(number: str) -> None:
    assert "of the token" in refusal(assembled('{"alg":"ES256"}', f'{{"sub":"{ID}","exp":{number}}}'))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        " a.b.c",
        "a.b.c\n",
        "a.b.c=",
        "a.b+.c",
        "é.b.c",
        jwt().rpartition(".")[0],
        f"{jwt().rpartition('.')[0]}.",
        f"Bearer {jwt()}",
        f"{jwt()}\ud800",
    ],
)
def test_what_is_not_a_signed_jwt_is_refused(text: str) -> None:
    assert "not a signed JWT" in refusal(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("A.e30.AAAA", "header"),
        ("e30.A.AAAA", "claims"),
        ("e30.e31.AAAA", "claims"),
        (f"{jwt().rpartition('.')[0]}.AAAAA", "signature"),
        (f"{jwt().rpartition('.')[0]}.AB", "signature"),
        (assembled("[]", "{}"), "header"),
        (assembled("ES256", "{}"), "header"),
        (assembled('{"alg":"ES256","alg":"none"}', "{}"), "header"),
        (assembled("[" * 2000, "{}"), "header"),
        (assembled("{}", "[]"), "claims"),
        (assembled("{}", "null"), "claims"),
        (assembled("{}", f'"{ID}"'), "claims"),
        (assembled("{}", f'{{"sub":"{ID}","sub":"{OTHER}"}}'), "claims"),
        (assembled("{}", f'{{"sub":"{ID}"}} x'), "claims"),
        (assembled("{}", f'{{"sub":"{ID}","x":NaN}}'), "claims"),
        (assembled("{}", '{"sub":' * 250 + "1" + "}" * 249), "claims"),
        (assembled("{}", "[" * 2900), "claims"),
        (f"e30.{make.base64url(bytes.fromhex('7b22ff223a317d'))}.AAAA", "claims"),
        (f"e30.{make.base64url(UTF_16)}.AAAA", "claims"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(text: str, part: str) -> None:
    assert refusal(text).startswith(f"The {part} of the token")


def test_an_attestation_token_is_no_sign_in() -> None:
    body = make.identity(UUID(ID))
    assert refusal(f"att.{make.attestation(KEY, body)}") == (
        "Attestation tokens are not taken as sign-in. Sign in with a JWT."
    )


def test_a_token_of_more_than_4_kib_is_refused() -> None:
    shorter = next(text for size in range(2950, 2800, -1) if len(text := jwt(x="x" * size)) <= 4096)
    assert len(shorter) > 4090
    assert tokens.read(shorter).device_id == UUID(ID)
    assert "longer than 4,096 bytes" in refusal(jwt(x="x" * 2950))


def test_a_token_does_not_show_its_text() -> None:
    found = token()
    assert ID in repr(found)
    assert found.text not in repr(found)
    assert "text" not in repr(found)


@pytest.mark.parametrize(
    "audience", [None, 5, True, {}, {"keyseed": 1}, [], [None], ["keyseed", 5], [["keyseed"]]]
)
def test_an_audience_of_another_kind_is_refused(audience: object) -> None:
    assert refusal(jwt(aud=audience)).startswith("The aud of the token")


def survives(text: str) -> None:
    begin = time.process_time()
    try:
        found = tokens.read(text)
    except Invalid:
        return
    finally:
        assert time.process_time() - begin < 0.5
    assert not any(tokens.signed_by(found, key) for key in PUBLIC)
    assert all(tokens.signed_by(found, key) for key in tokens.candidates(found))


@given(st.text(max_size=300) | st.text("eyJ019AB-_.", max_size=300))
def test_random_text_is_read_or_invalid(text: str) -> None:
    survives(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just(ID)
    | st.just("ES256"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.dictionaries(st.sampled_from(["alg", "typ", "kid", "b64", "jwk", "x"]), JSON, max_size=4)
CLAIMS = st.dictionaries(st.sampled_from(["sub", "iss", "aud", "exp", "iat", "nbf", "jti"]), JSON, max_size=6)


@settings(max_examples=300, deadline=None)
@given(
    HEADERS, CLAIMS, st.booleans(), st.binary(min_size=1, max_size=100) | st.binary(min_size=64, max_size=64)
)
def test_any_header_claims_and_signature_are_read_or_invalid(
    header: object, claims: dict[str, object], named: bool, signature: bytes
) -> None:
    survives(assembled(json.dumps(header), json.dumps(claims | {"sub": ID} if named else claims), signature))
