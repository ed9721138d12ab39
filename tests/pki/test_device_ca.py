"""Whatever a request asks for, the device CA's certificate names the device and opens MQTT, no more."""

import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import device_ca
from pki.device_ca import Reason, Revoked
from pki.errors import Invalid
from pki.requests import public_key_of, read_csr
from tests.pki import make
from tests.pki.make import DAY, NOW

CA, KEY = device_ca.make_ca(NOW)
DEVICE = UUID("50363154-3931-44f0-8022-121b6401627d")
OTHER = "0b8f9c1e-7c2e-4c2d-8a55-3f6d1d1f0e77"
EXTENSIONS = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}
OWN_KEY = make.p256()
SERIALS = st.integers(1, 2**128 - 1)
REASONS = st.sampled_from(Reason)


def pem(csr: x509.CertificateSigningRequest) -> str:
    return csr.public_bytes(Encoding.PEM).decode()


def issue(csr: str | None = None, days: int = device_ca.DAYS) -> x509.Certificate:
    return device_ca.issue(CA, KEY, csr or pem(make.request(OWN_KEY)), DEVICE, NOW, days)


def greedy(name: str) -> str:
    """A request for a CA's certificate in another device's name."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.COMMON_NAME, OTHER)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("keyseed.example.com"), x509.RFC822Name("a@example.com")]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    ):
        builder = builder.add_extension(extension, critical=True)
    return pem(builder.sign(OWN_KEY, hashes.SHA256()))


# ---- the CA


def test_the_ca_signs_certificates_of_devices_and_lists_and_nothing_else() -> None:
    constraints = CA.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = CA.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert not usage.value.digital_signature
    CA.verify_directly_issued_by(CA)
    assert isinstance(KEY.curve, ec.SECP256R1)
    assert CA.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert CA.not_valid_after_utc == NOW + 3650 * DAY


def test_no_two_cas_have_one_name() -> None:
    names = {device_ca.make_ca(NOW)[0].subject.rfc4514_string() for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("CN=Keyseed device CA ") for name in names)


# ---- its certificates


@given(st.text("abcdefgh-CN=,+/ ", min_size=1, max_size=64))
def test_what_a_request_asks_for_is_not_looked_at(name: str) -> None:
    made = issue(greedy(name))
    assert made.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(DEVICE))])
    assert {extension.oid for extension in made.extensions} == EXTENSIONS
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    made.verify_directly_issued_by(CA)


def test_it_is_for_the_requests_key() -> None:
    for key in (OWN_KEY, make.rsa_key(), ec.generate_private_key(ec.SECP521R1())):
        csr = make.request(key)
        assert issue(pem(csr)).public_key() == csr.public_key()
        assert issue(make.modem(csr.public_bytes(Encoding.DER))).public_key() == csr.public_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    edwards = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    assert public_key_of(read_csr(pem(edwards)))
    assert issue(pem(edwards)).public_key() == edwards.public_key()


def test_a_request_that_does_not_verify_or_has_a_weak_key_is_refused() -> None:
    csr = make.request(OWN_KEY).public_bytes(Encoding.DER)
    for text in (
        make.modem(csr.replace(b"device-1", b"device-2")),
        pem(make.request(ec.generate_private_key(ec.SECP256K1()))),
        "MIIB",
        "",
    ):
        with pytest.raises(Invalid):
            device_ca.issue(CA, KEY, text, DEVICE, NOW)


@given(st.integers(1, device_ca.DAYS_MOST), st.integers(0, 3_650))
def test_it_ends_when_asked_and_never_after_the_ca(days: int, age: int) -> None:
    now = NOW + age * DAY - timedelta(seconds=1)
    made = device_ca.issue(CA, KEY, pem(make.request(OWN_KEY)), DEVICE, now, days)
    assert made.not_valid_after_utc == min(now + days * DAY, CA.not_valid_after_utc)
    assert now - device_ca.SKEW <= made.not_valid_before_utc <= now
    assert made.not_valid_before_utc >= CA.not_valid_before_utc


@pytest.mark.parametrize("days", [0, -1, 826])
def test_it_is_for_a_day_at_least_and_825_at_most(days: int) -> None:
    with pytest.raises(ValueError, match="1 to 825 days"):
        issue(days=days)


def test_serial_numbers_are_128_random_bits() -> None:
    serials = [issue().serial_number for _ in range(64)]
    assert len(set(serials)) == 64
    assert 2**120 < max(serials) < 2**128


@given(SERIALS)
def test_a_serial_number_in_text_is_the_same_number(serial: int) -> None:
    text = device_ca.hexadecimal(serial)
    assert (int(text, 16), len(text) % 2) == (serial, 0)


# ---- its lists


@given(st.dictionaries(SERIALS, REASONS, max_size=20))
def test_a_list_says_what_it_was_made_of_and_nothing_else(entries: dict[int, Reason]) -> None:
    revoked = [Revoked(serial, NOW - DAY, reason) for serial, reason in entries.items()]
    text = device_ca.crl(CA, KEY, revoked, 7, NOW, NOW + DAY)
    (found,) = device_ca.read_lists(text)
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert {entry.serial_number for entry in found} == entries.keys()
    assert device_ca.says(found, CA, reversed(revoked), NOW)
    assert not device_ca.says(found, CA, revoked, NOW + DAY), "it has run out"
    assert not device_ca.says(found, CA, [*revoked, Revoked(2**127 + 1, NOW, Reason.ENDED)], NOW)
    assert not device_ca.says(found, device_ca.make_ca(NOW)[0], revoked, NOW)
    if revoked:
        assert not device_ca.says(found, CA, revoked[1:], NOW)
        other = Reason.HELD if revoked[0].reason is not Reason.HELD else Reason.ENDED
        assert not device_ca.says(found, CA, [Revoked(revoked[0].serial, NOW, other), *revoked[1:]], NOW)


def test_a_list_that_another_key_signed_is_not_the_cas() -> None:
    text = device_ca.crl(CA, make.p256(), [], 1, NOW, NOW + DAY)
    assert not device_ca.says(device_ca.read_lists(text)[0], CA, [], NOW)


def test_several_lists_are_read_from_one_text() -> None:
    other, key = device_ca.make_ca(NOW)
    text = device_ca.crl(CA, KEY, [], 1, NOW, NOW + DAY) + device_ca.crl(other, key, [], 2, NOW, NOW + DAY)
    assert [found.issuer for found in device_ca.read_lists(text)] == [CA.subject, other.subject]
    assert device_ca.read_lists("") == []
    with pytest.raises(ValueError, match="PEM"):
        device_ca.read_lists("nonsense")


# ---- as OpenSSL sees it


def openssl(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_openssl_verifies_chain_and_list(tmp_path: Path) -> None:
    good, bad, held = issue(), issue(), issue()
    names = {"ca": CA, "good": good, "bad": bad, "held": held}
    for name, certificate in names.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    revoked = [
        Revoked(bad.serial_number, NOW, Reason.SUPERSEDED),
        Revoked(held.serial_number, NOW, Reason.HELD),
    ]
    (tmp_path / "crl").write_text(device_ca.crl(CA, KEY, revoked, 3, NOW, NOW + DAY))
    ca, crl = str(tmp_path / "ca"), str(tmp_path / "crl")
    at = str(int(NOW.timestamp()))

    def verified(name: str) -> tuple[int, str]:
        checks = ("-crl_check", "-x509_strict", "-purpose", "sslclient", "-attime", at)
        return openssl("verify", "-CAfile", ca, "-CRLfile", crl, *checks, str(tmp_path / name))

    assert verified("good")[0] == 0, verified("good")
    for name in ("bad", "held"):
        code, said = verified(name)
        assert (code, "certificate revoked" in said) == (2, True), said
    code, said = openssl("crl", "-in", crl, "-CAfile", ca, "-noout", "-text")
    assert code == 0
    assert "verify OK" in said
    assert "Certificate Hold" in said
    assert "Superseded" in said
    serial = openssl("x509", "-in", str(tmp_path / "good"), "-noout", "-serial")[1]
    assert serial.strip().removeprefix("serial=").lower() == device_ca.hexadecimal(good.serial_number)
    assert openssl("verify", "-CAfile", ca, "-purpose", "sslserver", "-attime", at, str(tmp_path / "good"))[0]
