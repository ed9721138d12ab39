import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448

from pki.errors import Invalid
from pki.private_keys import WrongPassword, check_encrypted_key
from tests.pki import make
from tests.pki.make import SESAME

KEY = make.p256()
ENCRYPTED = make.encrypted(KEY)


def refusal(text: str, password: str = SESAME) -> str:
    with pytest.raises(Invalid) as refused:
        check_encrypted_key(text, password)
    return refused.value.reason


def written(form: ser.PrivateFormat, password: str = "") -> str:
    scheme = ser.BestAvailableEncryption(password.encode()) if password else ser.NoEncryption()
    return KEY.private_bytes(ser.Encoding.PEM, form, scheme).decode()


@pytest.mark.parametrize(
    "key",
    [
        make.p256(),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
        make.rsa_key(2048),
        make.rsa_key(2048, exponent=3),
        make.rsa_key(4096),
    ],
    ids=["P-256", "P-384", "P-521", "Ed25519", "Ed448", "RSA 2048", "RSA 2048, e = 3", "RSA 4096"],
)
def test_every_kind_of_key_that_devices_use_is_taken(key: make.Key) -> None:
    text = make.encrypted(key)
    assert check_encrypted_key(text, SESAME) == text


@pytest.mark.parametrize(
    "name",
    [
        "default",
        "pkey",
        "aes-128-sha1",
        "aes-192-sha512",
        "3des",
        "scrypt",
        "pkcs12-3des",
        "ed25519",
        "rsa-2048",
    ],
)
def test_what_openssl_writes_is_taken(name: str) -> None:
    assert check_encrypted_key(make.sample(name), SESAME) == make.sample(name)


@pytest.mark.parametrize("name", ["rc2", "camellia", "pkcs12-rc2-40", "pbes1-md5-des"])
def test_weak_and_rare_encryption_is_refused_with_the_command_that_replaces_it(name: str) -> None:
    reason = refusal(make.sample(name))
    assert "is not taken" in reason
    assert "openssl pkey -in key.pem -aes-256-cbc -out encrypted.pem" in reason


@pytest.mark.parametrize("name", ["x25519", "secp256k1"])
def test_a_key_that_devices_do_not_use_is_refused(name: str) -> None:
    assert "Make a key that is RSA of 2,048 to 4,096 bits, EC on a named curve" in refusal(make.sample(name))


@pytest.mark.parametrize(
    "algorithm",
    [
        make.seq(make.oid("1.2.3.4.5")),
        make.seq(make.oid("1.2.840.10045.2.1"), make.oid("1.3.132.0.4")),
    ],
    ids=["unknown algorithm", "unknown curve"],
)
def test_a_key_of_an_unknown_algorithm_is_refused(algorithm: bytes) -> None:
    inner = make.octets(make.seq(make.integer(1), make.octets(bytes(31) + b"\1")))
    reason = refusal(make.enveloped(make.seq(make.integer(0), algorithm, inner)))
    assert "This kind of key is not taken" in reason


def test_a_short_rsa_key_is_refused() -> None:
    assert "has 1,024 bits" in refusal(make.sample("rsa-1024"))


def test_the_text_is_normalised() -> None:
    assert check_encrypted_key("# mine\r\n" + ENCRYPTED.replace("\n", "\r\n"), SESAME) == ENCRYPTED


@pytest.mark.parametrize("password", ["wrong", "Sesame", "sesame ", "s", "żółć"])
def test_a_wrong_password_is_refused(password: str) -> None:
    with pytest.raises(WrongPassword, match="The password does not open the key"):
        check_encrypted_key(ENCRYPTED, password)


def test_a_password_may_hold_any_character() -> None:
    text = make.encrypted(KEY, 'żółć "quoted" \t\n')
    assert check_encrypted_key(text, 'żółć "quoted" \t\n') == text


@pytest.mark.parametrize("password", ["", "a\0b", "x" * 1025, "\ud800"])
def test_a_password_that_can_be_none_is_refused(password: str) -> None:
    assert "The password must be text of 1 to 1,024 bytes" in refusal(ENCRYPTED, password)


@pytest.mark.parametrize("form", [ser.PrivateFormat.PKCS8, ser.PrivateFormat.TraditionalOpenSSL])
def test_a_key_in_the_clear_is_refused_with_the_command_that_encrypts_it(form: ser.PrivateFormat) -> None:
    reason = refusal(written(form))
    assert reason.startswith("The key is not encrypted")
    assert "`openssl pkey -in key.pem -aes-256-cbc -out encrypted.pem`" in reason


def test_openssl_s_traditional_format_is_refused_with_the_command_that_converts_it() -> None:
    reason = refusal(written(ser.PrivateFormat.TraditionalOpenSSL, SESAME))
    assert "traditional encrypted format" in reason
    assert "`openssl pkey -in key.pem -aes-256-cbc -out encrypted.pem`" in reason


def test_openssh_s_format_is_refused_with_the_command_that_converts_it() -> None:
    assert "`ssh-keygen -p -m PKCS8 -f key.pem`" in refusal(written(ser.PrivateFormat.OpenSSH))


def test_a_certificate_in_its_place_is_refused() -> None:
    assert "Certificates go into clientCertificate" in refusal(make.issue("device-1").pem)
    assert "Certificates go into clientCertificate" in refusal(ENCRYPTED + make.issue("device-1").pem)


def test_a_public_key_in_its_place_is_refused() -> None:
    assert "PEM block PUBLIC KEY" in refusal(make.pem("PUBLIC KEY", make.spki(KEY)))


def test_two_keys_are_one_too_many() -> None:
    assert "It has 2 private keys. Send one." in refusal(ENCRYPTED * 2)


def test_an_rsa_key_whose_numbers_do_not_match_is_refused() -> None:
    n, e, _, *rest = make.mersenne_numbers(607, 2203)
    assert "do not belong together" in refusal(make.enveloped(make.rsa_pkcs8(n, e, 12345, *rest)))


def test_a_key_that_is_not_what_it_says_is_refused() -> None:
    assert "damaged" in refusal(make.enveloped(b"no key at all"))


def chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


@pytest.mark.parametrize(
    ("text", "password"),
    [
        (ENCRYPTED, "planted-7391"),
        (ENCRYPTED, "planted-7391\0"),
        (ENCRYPTED, "planted-7391\ud800"),
        (ENCRYPTED[:-40], "planted-7391"),
        (ENCRYPTED * 2, "planted-7391"),
        (ENCRYPTED.replace("\n", " "), "planted-7391"),
        (ENCRYPTED + "\ud800", "planted-7391"),
        (written(ser.PrivateFormat.PKCS8), "planted-7391"),
        (written(ser.PrivateFormat.OpenSSH), "planted-7391"),
        (make.enveloped(make.spki(KEY)), SESAME),
        (make.encrypted(make.rsa_key(2048), SESAME), "planted-7391"),
    ],
)
def test_no_refusal_holds_the_password_or_the_key(text: str, password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_encrypted_key(text, password)
    told = " ".join(f"{error!r} {vars(error)} {error.args}" for error in chain(refused.value))
    assert "planted" not in told
    assert not any(line in told for line in text.split() if len(line) > 24)


def test_a_key_for_agreement_only_is_refused() -> None:
    scheme = ser.BestAvailableEncryption(SESAME.encode())
    key = x448.X448PrivateKey.generate()
    text = key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, scheme).decode()
    assert "This kind of key is not taken" in refusal(text)
