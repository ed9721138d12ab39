import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from pki import der
from pki.errors import Invalid
from pki.requests import public_key_of, public_key_pem, read_csr, read_public_key
from tests.pki import make

KEY = make.p256()
SPKI = make.spki(KEY)
CSR = make.request(KEY)
CSR_DER = CSR.public_bytes(ser.Encoding.DER)
CSR_PEM = make.pem("CERTIFICATE REQUEST", CSR_DER)


def as_der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


def key_refusal(value: str) -> str:
    with pytest.raises(Invalid) as refused:
        read_public_key(value)
    return refused.value.reason


def csr_refusal(value: str) -> str:
    with pytest.raises(Invalid) as refused:
        read_csr(value)
    return refused.value.reason


def with_null(data: bytes) -> bytes:
    """The request as older modem firmware writes it, with a NULL behind its signature algorithm."""
    info, algorithm, signature = der.elements(der.one(data))
    return make.seq(info.whole, make.seq(algorithm.body, make.NULL), signature.whole)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP521R1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ed448.Ed448PrivateKey.generate().public_key(),
        make.rsa_key(2048).public_key(),
        make.rsa_key(2048, exponent=3).public_key(),
        make.rsa_key(4096).public_key(),
    ],
)
def test_every_kind_of_key_that_devices_make_is_read(key: PublicKeyTypes) -> None:
    assert read_public_key(make.pem("PUBLIC KEY", as_der(key))) == as_der(key)
    assert read_public_key(make.modem(as_der(key))) == as_der(key)


@pytest.mark.parametrize("cose", [b"", b"\xd2\x84\x43\xa1\x01\x26"])
def test_modem_style_is_read_with_and_without_its_attestation(cose: bytes) -> None:
    assert read_public_key(make.modem(SPKI, cose)) == SPKI
    assert read_csr(make.modem(CSR_DER, cose)) == CSR


def test_padding_and_space_around_modem_style_do_not_matter() -> None:
    for size in range(3):
        key = as_der(make.rsa_key(2048 + 8 * size).public_key())
        text = make.modem(key)
        assert read_public_key(f" {text}{'=' * (-len(text) % 4)}\r\n") == key


def test_a_compressed_point_is_read_as_the_same_key() -> None:
    algorithm, _ = der.elements(der.one(SPKI))
    point = KEY.public_key().public_bytes(ser.Encoding.X962, ser.PublicFormat.CompressedPoint)
    short = make.seq(algorithm.whole, der.element(der.BIT_STRING, b"\0" + point))
    assert read_public_key(make.modem(short)) == SPKI


def test_a_request_in_modem_style_tells_its_key() -> None:
    assert read_public_key(make.modem(CSR_DER)) == SPKI
    assert read_public_key(make.modem(with_null(CSR_DER))) == SPKI


def test_a_request_that_tells_a_key_must_verify() -> None:
    forged = CSR_DER.replace(SPKI, make.spki(make.p256()))
    assert "does not verify" in key_refusal(make.modem(forged))


@pytest.mark.parametrize("label", ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])
def test_a_request_in_pem_is_read(label: str) -> None:
    assert read_csr(make.pem(label, CSR_DER)) == CSR


def test_requests_of_every_kind_of_key_are_read() -> None:
    for key in (make.rsa_key(), ec.generate_private_key(ec.SECP521R1())):
        request = make.request(key)
        assert read_csr(make.modem(request.public_bytes(ser.Encoding.DER))) == request


def test_a_request_signed_with_ed25519_is_read() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    assert read_csr(request.public_bytes(ser.Encoding.PEM).decode()) == request


@pytest.mark.parametrize("hash_", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_the_null_of_older_modem_firmware_is_dropped(
    hash_: hashes.SHA256 | hashes.SHA384 | hashes.SHA512,
) -> None:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, hash_)
    data = with_null(request.public_bytes(ser.Encoding.DER))
    with pytest.raises(ValueError, match="parsing asn1"):
        x509.load_der_x509_csr(data)
    assert read_csr(make.modem(data)) == request
    assert read_csr(make.pem("CERTIFICATE REQUEST", data)) == request


def test_a_forged_request_with_the_null_is_still_refused() -> None:
    forged = with_null(CSR_DER).replace(SPKI, make.spki(make.p256()))
    assert "does not verify" in csr_refusal(make.modem(forged))


def test_two_nulls_are_no_old_modem() -> None:
    assert "not a PKCS#10" in csr_refusal(make.modem(with_null(with_null(CSR_DER))))


def test_a_request_for_another_key_than_signed_it_is_refused() -> None:
    forged = CSR_DER.replace(SPKI, make.spki(make.p256()))
    assert "does not verify" in csr_refusal(make.modem(forged))


def test_a_request_whose_name_was_changed_is_refused() -> None:
    assert "does not verify" in csr_refusal(make.modem(CSR_DER.replace(b"device-1", b"device-2")))


def test_a_request_signed_in_an_unknown_way_is_refused() -> None:
    odd = CSR_DER.replace(make.oid("1.2.840.10045.4.3.2"), make.oid("1.2.840.10045.4.3.9"))
    assert "does not verify" in csr_refusal(make.modem(odd))


@pytest.mark.parametrize(
    "key",
    [
        rsa.RSAPublicNumbers(65537, 2**1023 + 1).public_key(),
        rsa.RSAPublicNumbers(65537, 2**4096 + 1).public_key(),
        rsa.RSAPublicNumbers(65537, 2**90_000 + 1).public_key(),
    ],
    ids=["1024", "4097", "90001"],
)
def test_rsa_keys_out_of_bounds_are_refused(key: rsa.RSAPublicKey) -> None:
    assert f"The RSA key has {key.key_size:,} bits" in key_refusal(make.modem(as_der(key)))


@pytest.mark.parametrize("exponent", [1, 65536, 2**64 + 1])
def test_odd_rsa_exponents_are_refused(exponent: int) -> None:
    algorithm = make.seq(make.oid("1.2.840.113549.1.1.1"), make.NULL)
    numbers = make.seq(make.integer(make.rsa_key().public_key().public_numbers().n), make.integer(exponent))
    reason = key_refusal(make.modem(make.seq(algorithm, der.element(der.BIT_STRING, b"\0" + numbers))))
    assert "exponent" in reason or "cannot be read" in reason


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        x25519.X25519PrivateKey.generate().public_key(),
        dsa.generate_private_key(1024).public_key(),
    ],
    ids=["secp256k1", "brainpool", "X25519", "DSA"],
)
def test_keys_that_devices_do_not_use_are_refused(key: PublicKeyTypes) -> None:
    assert "This kind of key is not taken" in key_refusal(make.modem(as_der(key)))


def test_a_curve_spelled_out_is_refused_even_if_it_is_p256() -> None:
    algorithm, point = der.elements(der.one(SPKI))
    assert read_public_key(make.modem(make.seq(algorithm.whole, point.whole))) == SPKI
    prime, a = 2**256 - 2**224 + 2**192 + 2**96 - 1, 2**256 - 2**224 + 2**192 + 2**96 - 4
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    generator = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    spelled_out = make.seq(
        make.integer(1),
        make.seq(make.oid("1.2.840.10045.1.1"), make.integer(prime)),
        make.seq(make.octets(a.to_bytes(32, "big")), make.octets(b.to_bytes(32, "big"))),
        make.octets(generator),
        make.integer(order),
        make.integer(1),
    )
    key = make.seq(make.seq(make.oid("1.2.840.10045.2.1"), spelled_out), point.whole)
    assert "This kind of key is not taken" in key_refusal(make.modem(key))


def test_a_point_off_its_curve_is_refused() -> None:
    assert "cannot be read" in key_refusal(make.modem(SPKI[:-1] + bytes((SPKI[-1] ^ 1,))))


@pytest.mark.parametrize(
    "value", ["", " ", ".", "..", "a.b.c", "MIIB+/==", "%KEYGEN: MIIB", "żółć", "A", "\ud800"]
)
def test_text_in_neither_form_is_refused(value: str) -> None:
    assert "neither PEM nor" in key_refusal(value)
    assert "neither PEM nor" in csr_refusal(value)


def test_text_over_16_kib_is_refused() -> None:
    assert "larger than 16,384 bytes" in key_refusal("A" * 16_385)
    assert "larger than 16,384 bytes" in csr_refusal("-----BEGIN" + "A" * 16_385)


def test_another_block_in_its_place_is_refused() -> None:
    assert "single PEM block PUBLIC KEY" in key_refusal(CSR_PEM)
    assert "single PEM block CERTIFICATE REQUEST" in csr_refusal(make.pem("PUBLIC KEY", SPKI))
    assert "single PEM block CERTIFICATE REQUEST" in csr_refusal(CSR_PEM * 2)


def test_a_public_key_where_a_request_belongs_is_refused() -> None:
    assert "not a PKCS#10 signing request" in csr_refusal(make.modem(SPKI))


def test_bytes_behind_a_key_or_request_are_refused() -> None:
    assert "cannot be read" in key_refusal(make.modem(SPKI + b"\0"))
    assert "not a PKCS#10" in csr_refusal(make.modem(CSR_DER + b"\0"))


def test_a_key_in_either_form_becomes_the_same_pem() -> None:
    text = make.pem("PUBLIC KEY", SPKI)
    assert public_key_pem(text) == public_key_pem(make.modem(SPKI)) == text


def test_the_key_of_a_request_is_the_one_it_was_made_with() -> None:
    assert public_key_of(read_csr(CSR_PEM)) == SPKI
