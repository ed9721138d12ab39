from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from pki.certificates import check_authorities
from pki.errors import Invalid
from tests.pki import make
from tests.pki.make import DAY, NOW

ROOT = make.issue("Root", ca=True)
ISSUING = make.issue("Issuing", ROOT, ca=True)
DEVICE = make.issue("device-1", ISSUING, ca=False)


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        check_authorities(text, NOW)
    return refused.value.reason


@pytest.mark.parametrize("text", [ROOT.pem, ISSUING.pem, ROOT.pem + ISSUING.pem])
def test_authorities_pass_unchanged(text: str) -> None:
    assert check_authorities(text, NOW) == text


def test_what_passed_passes_again_unchanged() -> None:
    once = check_authorities("# ours\r\n" + ROOT.pem.replace("\n", "\r\n"), NOW)
    assert check_authorities(once, NOW) == once == ROOT.pem


@pytest.mark.parametrize("ca", [False, None])
def test_a_certificate_that_is_no_authority_is_refused(ca: bool | None) -> None:
    reason = refusal(make.issue("server", ca=ca).pem)
    assert "not a certificate authority" in reason
    assert "Send the certificate of the authority" in reason


def test_a_version_1_certificate_that_signed_itself_is_an_authority() -> None:
    old = make.version_1(ROOT, ROOT.key)
    assert check_authorities(old, NOW) == old


def test_a_version_1_certificate_that_another_key_signed_is_none() -> None:
    assert "not a certificate authority" in refusal(make.version_1(ROOT, make.p256()))


def test_a_version_1_certificate_of_another_issuer_is_none() -> None:
    assert "not a certificate authority" in refusal(make.version_1(ISSUING, ROOT.key))


def test_an_expired_authority_is_refused_with_its_date() -> None:
    old = make.issue("Old root", ca=True, end=NOW - DAY)
    assert refusal(old.pem) == "The certificate expired on 2026-05-31. Send one that is still valid."


def test_the_one_that_has_expired_among_several_is_named() -> None:
    old = make.issue("Old root", ca=True, end=NOW - DAY)
    assert refusal(ROOT.pem + old.pem).startswith("Certificate 2 expired on")


def test_an_authority_is_valid_to_its_last_second() -> None:
    last = make.issue("Root", ca=True, end=NOW)
    assert check_authorities(last.pem, NOW)
    with pytest.raises(Invalid):
        check_authorities(last.pem, NOW + timedelta(seconds=1))


def test_a_validity_that_begins_within_a_day_is_taken() -> None:
    assert check_authorities(make.issue("Root", ca=True, begin=NOW + DAY).pem, NOW)


def test_a_validity_that_begins_later_is_refused() -> None:
    begin = NOW + DAY + timedelta(seconds=1)
    assert "is not valid before 2026-06-02" in refusal(make.issue("Root", ca=True, begin=begin).pem)


def test_ten_authorities_are_taken_and_eleven_are_not() -> None:
    assert check_authorities(ROOT.pem * 10, NOW)
    assert "It has 11 certificates" in refusal(ROOT.pem * 11)


def test_an_rsa_authority_is_taken() -> None:
    assert check_authorities(make.issue("Root", ca=True, key=make.rsa_key()).pem, NOW)


def test_a_pasted_private_key_is_refused_and_not_repeated() -> None:
    key = make.p256().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    reason = refusal(ROOT.pem + key.decode())
    assert "private key" in reason
    assert not any(line in reason for line in key.decode().splitlines()[1:-1])


def test_another_kind_of_block_is_refused_by_its_name() -> None:
    assert "PEM block PUBLIC KEY" in refusal(make.pem("PUBLIC KEY", make.spki(ROOT.key)))


def test_a_block_that_is_no_certificate_is_refused() -> None:
    assert "Certificate 2 is not an X.509 certificate" in refusal(
        ROOT.pem + make.pem("CERTIFICATE", b"\x30\x00")
    )


def test_bytes_behind_a_certificate_are_refused() -> None:
    data = ROOT.certificate.public_bytes(serialization.Encoding.DER)
    assert "not an X.509 certificate" in refusal(make.pem("CERTIFICATE", data + b"\0"))
