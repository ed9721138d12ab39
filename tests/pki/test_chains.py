import pytest
from cryptography.hazmat.primitives.asymmetric import dsa

from pki.certificates import check_chain
from pki.errors import Invalid
from tests.pki import make
from tests.pki.make import DAY, NOW

ROOT = make.issue("Root", ca=True)
ISSUING = make.issue("Issuing", ROOT, ca=True)
DEVICE = make.issue("device-1", ISSUING, ca=False)
LOOKALIKE = make.issue("Issuing", ROOT, ca=True)


def refusal(*chain: make.Issued) -> str:
    with pytest.raises(Invalid) as refused:
        check_chain("".join(issued.pem for issued in chain), NOW)
    return refused.value.reason


@pytest.mark.parametrize("chain", [(DEVICE,), (DEVICE, ISSUING), (DEVICE, ISSUING, ROOT)])
def test_a_chain_from_the_device_upwards_passes(chain: tuple[make.Issued, ...]) -> None:
    text = "".join(issued.pem for issued in chain)
    assert check_chain(text, NOW) == text


def test_a_certificate_without_basic_constraints_is_a_device_certificate() -> None:
    assert check_chain(make.issue("device-1", ISSUING).pem, NOW)


def test_a_self_signed_certificate_may_stand_alone_even_as_an_authority() -> None:
    assert check_chain(ROOT.pem, NOW) == ROOT.pem
    assert check_chain(make.issue("device-1", ca=False).pem, NOW)


def test_an_authority_that_is_not_self_signed_is_no_device_certificate() -> None:
    assert "not a device's certificate" in refusal(ISSUING)


def test_an_authority_in_the_first_place_is_refused() -> None:
    assert "Put the device's own certificate first" in refusal(ROOT, ISSUING, DEVICE)


def test_a_gap_in_the_chain_is_refused() -> None:
    assert refusal(DEVICE, ROOT).startswith("Certificate 2 did not issue certificate 1")


def test_an_issuer_that_only_has_the_right_name_is_refused() -> None:
    assert refusal(DEVICE, LOOKALIKE).startswith("Certificate 2 did not issue certificate 1")


def test_an_issuer_in_the_wrong_place_is_named() -> None:
    assert refusal(DEVICE, ISSUING, DEVICE).startswith("Certificate 3 did not issue certificate 2")


def test_an_issuer_that_is_no_authority_is_refused() -> None:
    alone = make.issue("device-2")
    assert "Certificate 2 is not a certificate authority" in refusal(make.issue("device-3", alone), alone)


def test_a_chain_may_end_in_a_version_1_root() -> None:
    text = ISSUING.pem + make.version_1(ROOT, ROOT.key)
    device = make.issue("device-1", ISSUING).pem
    assert check_chain(device + text, NOW) == device + text


def test_expiry_is_checked_everywhere_in_the_chain() -> None:
    old = make.issue("Issuing", ROOT, ca=True, end=NOW - DAY)
    assert refusal(make.issue("device-1", old), old).startswith("Certificate 2 expired on 2026-05-31")
    assert refusal(make.issue("device-1", ISSUING, end=NOW - DAY)).startswith("The certificate expired")


def test_rsa_and_ec_mix_in_a_chain() -> None:
    root = make.issue("Root", ca=True, key=make.rsa_key())
    device = make.issue("device-1", root)
    assert check_chain(device.pem + root.pem, NOW)


def test_an_issuer_with_an_overlong_rsa_key_is_not_tried() -> None:
    root = make.issue("Root", ca=True, key=make.mersenne_key(4253, 4423))
    assert "did not issue" in refusal(make.issue("device-1", root), root)


def test_an_issuer_whose_key_signs_in_an_outdated_way_is_not_tried() -> None:
    root = make.issue("Root", ca=True, key=dsa.generate_private_key(1024))
    assert "did not issue" in refusal(make.issue("device-1", root), root)
