"""The simulated nRF91 modem answers AT commands as the real one does; what it signs, verifies."""

import base64
import hashlib
import json
import re
import stat
import uuid
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from provisioning.simulator.material import Authority
from provisioning.simulator.modem import Modem
from provisioning.simulator.modem_store import MAX_TAG, CmeError

TAG = 16842753
OK = "OK\r\n"
ERROR = "ERROR\r\n"
AUTHORITY = Authority()


@pytest.fixture
def modem() -> Modem:
    return Modem.make()


def cme(code: int) -> str:
    return f"+CME ERROR: {code}\r\n"


def opened(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def quoted(reply: str, name: str) -> str:
    found = re.fullmatch(rf'{name}: "([^"]+)"\r\nOK\r\n', reply)
    assert found is not None, reply
    return found[1]


def identity(modem: Modem) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(modem.identity_public_key().encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def verify(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> None:
    assert len(signature) == 64
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def cose(modem: Modem, text: str, detached: bytes | None) -> Any:
    """Verify the signature; gives what is signed."""
    sign1 = cbor2.loads(opened(text))
    assert sign1.tag == 18
    protected, unprotected, payload, signature = sign1.value
    assert (cbor2.loads(protected), unprotected) == ({1: -7}, {4: b"\x21"})
    assert (payload is None) == (detached is not None)
    body: bytes = payload if detached is None else detached
    verify(identity(modem), signature, cbor2.dumps(["Signature1", protected, b"", body]))
    assert body.startswith(bytes.fromhex("d9d9f785"))
    return cbor2.loads(body[3:])


def keygen(modem: Modem, rest: str, tag: int = TAG, kind: int = 2) -> bytes:
    """Make a key; gives the DER after the signature beside it was verified."""
    content = rest[0]
    output = quoted(modem.at(f"AT%KEYGEN={tag},{kind},{rest}"), "%KEYGEN")
    body, signature = output.split(".")
    der = opened(body)
    message, device, sec_tag, digest, nonce = cose(modem, signature, None)
    assert message == {"0": 9, "1": 8}[content]
    assert (device, cbor2.loads(sec_tag)) == (modem.uuid.bytes, tag)
    assert digest == hashlib.sha256(der).digest()
    assert len(nonce) == 16
    return der


def request(modem: Modem, rest: str) -> x509.CertificateSigningRequest:
    csr = x509.load_der_x509_csr(keygen(modem, rest))
    assert csr.is_signature_valid
    return csr


def usage(csr: x509.CertificateSigningRequest) -> str:
    value = csr.extensions.get_extension_for_class(x509.KeyUsage).value
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign"]
    names += ["encipher_only", "decipher_only"] if value.key_agreement else []
    flags = "".join("1" if getattr(value, name) else "0" for name in names)
    return flags.ljust(9, "0")


def sealed_key(password: bytes | None) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


def rsa_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


# Identity


def test_the_imei_has_fifteen_digits_that_check(modem: Modem) -> None:
    found = re.fullmatch(r"(\d{15})\r\nOK\r\n", modem.at("AT+CGSN"))
    assert found is not None
    digits = [int(digit) for digit in found[1]]
    luhn = sum(digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits))
    assert luhn % 10 == 0
    assert modem.at("AT+CGSN=1") == f'+CGSN: "{modem.imei}"\r\nOK\r\n'


def test_no_two_modems_are_alike() -> None:
    one, other = Modem.make(), Modem.make()
    assert (one.id, one.identity_public_key()) != (other.id, other.identity_public_key())


def test_the_token_is_signed_with_the_identity_key(modem: Modem) -> None:
    token = quoted(modem.at("AT%ATTESTTOKEN"), "%ATTESTTOKEN")
    assert len(token) == 180
    body, signature = token.split(".")
    assert len(opened(body)) == 57
    message, device, kind, firmware, nonce = cose(modem, signature, opened(body))
    assert (message, device, kind) == (1, modem.uuid.bytes, 3)
    assert firmware == modem.firmware_id.bytes
    assert len(nonce) == 16


def test_another_modems_key_does_not_verify_the_token(modem: Modem) -> None:
    body, signature = modem.attestation_token().split(".")
    with pytest.raises(InvalidSignature):
        cose(Modem.make(), signature, opened(body))


@pytest.mark.parametrize("challenge", ["00112233445566778899aabbccddeeff", "0" * 32])
def test_a_challenge_stands_in_the_token(modem: Modem, challenge: str) -> None:
    token = quoted(modem.at(f"AT%ATTESTTOKEN={challenge}"), "%ATTESTTOKEN")
    assert cbor2.loads(opened(token.split(".")[0])[3:])[4] == bytes.fromhex(challenge)
    assert modem.at("AT%ATTESTTOKEN=00") == ERROR


def test_a_jwt_names_device_and_firmware_and_verifies(modem: Modem) -> None:
    head, claims, signature = modem.jwt(now=1_700_000_000.7).split(".")
    verify(identity(modem), opened(signature), f"{head}.{claims}".encode())
    assert json.loads(opened(head)) == {"typ": "JWT", "alg": "ES256"}
    said = json.loads(opened(claims))
    assert re.fullmatch(rf"nRF9160\.{modem.firmware_id}\.\w+", said.pop("jti"))
    assert said == {"iss": f"nRF9160.{modem.id}", "iat": 1_700_000_000, "exp": 1_700_000_300}


def test_a_jwt_without_a_lifetime_has_no_times(modem: Modem) -> None:
    assert set(json.loads(opened(modem.jwt(0).split(".")[1]))) == {"iss", "jti"}


def test_a_jwt_of_a_made_key_is_signed_with_it(modem: Modem) -> None:
    key = load_der_public_key(keygen(modem, "1"))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed, _, signature = modem.jwt(key_tag=TAG).rpartition(".")
    verify(key, opened(signature), signed.encode())


def test_a_jwt_needs_a_key_that_can_sign_it(modem: Modem) -> None:
    with pytest.raises(CmeError, match="513"):
        modem.jwt(key_tag=TAG)
    pem = rsa_key()
    assert modem.at(f'AT%CMNG=0,{TAG},2,"{pem}"') == OK
    with pytest.raises(CmeError, match="514"):
        modem.jwt(key_tag=TAG)


def test_the_firmware_has_a_name(modem: Modem) -> None:
    assert modem.at("AT+CGMR") == "mfw_nrf91x1_2.0.2\r\nOK\r\n"


# %KEYGEN


@pytest.mark.parametrize("kind", [2, 8])
def test_a_public_key_is_that_of_a_real_key(modem: Modem, kind: int) -> None:
    key = load_der_public_key(keygen(modem, "1", kind=kind))
    kept = load_pem_private_key(modem.store.get(TAG, kind).encode(), None)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert kept.public_key() == key


def test_a_request_without_attributes_names_the_device(modem: Modem) -> None:
    csr = request(modem, "0")
    assert csr.subject.rfc4514_string() == f"CN={modem.id}"
    assert usage(csr) == "111010000"


def test_attributes_stay_in_the_order_in_which_they_were_written(modem: Modem) -> None:
    attributes = "O=Nordic Semiconductor,L=Trondheim, C=no,CN=0123456789"
    csr = request(modem, f'0,"{attributes}","101010000"')
    assert [part.value for part in csr.subject] == ["Nordic Semiconductor", "Trondheim", "no", "0123456789"]
    assert usage(csr) == "101010000"


# Without key agreement the last two bits mean nothing, and parsers refuse them.
@given(flags=st.text("01", min_size=9, max_size=9).filter(lambda flags: flags[4] == "1" or flags[7:] == "00"))
def test_every_key_usage_that_means_something_is_written(flags: str) -> None:
    assert usage(request(Modem.make(), f'0,"CN=a","{flags}"')) == flags


def test_a_key_usage_that_means_nothing_is_written_all_the_same(modem: Modem) -> None:
    assert bytes.fromhex("0603551d0f04050303070080") in keygen(modem, '0,"CN=a","000000001"')


@pytest.mark.parametrize("rest", ['"nonsense"', '"C=Norway"', '"CN=a","2"', '"CN=a","10101"'])
def test_attributes_that_mean_nothing_make_no_key(modem: Modem, rest: str) -> None:
    assert modem.at(f"AT%KEYGEN={TAG},2,0,{rest}") == cme(523)
    assert modem.at("AT%CMNG=1") == OK


def test_a_key_is_not_made_twice(modem: Modem) -> None:
    keygen(modem, "0")
    assert modem.at(f"AT%KEYGEN={TAG},2,1") == cme(519)
    assert modem.at(f"AT%CMNG=3,{TAG},2") == OK
    keygen(modem, "1")


def test_old_firmware_gives_the_algorithm_a_null_parameter() -> None:
    modem = Modem.make(old_firmware=True)
    der = keygen(modem, "0")
    null = bytes.fromhex("300c06082a8648ce3d0403020500")
    assert der.count(null) == 1
    repaired = der.replace(null, bytes.fromhex("300a06082a8648ce3d040302"))
    repaired = repaired[:1] + _length(len(repaired)) + repaired[3 if der[1] == 0x81 else 4 :]
    csr = x509.load_der_x509_csr(repaired)
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == f"CN={modem.id}"


def _length(total: int) -> bytes:
    """The length of a SEQUENCE that was some 200 to 300 octets before two went missing."""
    content = total - 3 if total - 3 < 0x100 else total - 4
    return bytes([0x81, content]) if content < 0x100 else b"\x82" + content.to_bytes(2)


# %CMNG


def certificate() -> str:
    return AUTHORITY.pem


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_a_certificate_is_kept_with_its_line_breaks(modem: Modem, kind: int, break_: str) -> None:
    pem = (certificate() + certificate()).replace("\n", break_)
    assert modem.at(f'AT%CMNG=0,{TAG},{kind},"{pem}"') == OK
    digest = hashlib.sha256(pem.encode()).hexdigest().upper()
    assert modem.at(f"AT%CMNG=2,{TAG},{kind}") == f'%CMNG: {TAG},{kind},"{digest}","{pem}"\r\nOK\r\n'


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("content", ["no certificate", certificate()[:-40], certificate()[40:]])
def test_what_is_no_certificate_is_refused(modem: Modem, kind: int, content: str) -> None:
    assert modem.at(f'AT%CMNG=0,{TAG},{kind},"{content}"') == cme(527)
    assert modem.at("AT%CMNG=1") == OK


def test_a_private_key_is_opened_with_its_password(modem: Modem) -> None:
    pem = sealed_key(b"sesame")
    assert modem.at(f'AT%CMNG=0,1,2,"{pem}","wrong"') == cme(527)
    assert modem.at(f'AT%CMNG=0,1,2,"{pem}"') == cme(527)
    assert modem.at(f'AT%CMNG=0,1,2,"{pem}","sesame"') == OK
    assert modem.at(f'AT%CMNG=0,2,2,"{sealed_key(None)}"') == OK
    modem.jwt(key_tag=1)


@pytest.mark.parametrize("kind", [2, 3, 8])
def test_what_is_secret_cannot_be_read_back(modem: Modem, kind: int) -> None:
    if kind == 3:
        assert modem.at('AT%CMNG=0,1,3,"00ff"') == OK
    else:
        keygen(modem, "1", tag=1, kind=kind)
    assert modem.at(f"AT%CMNG=2,1,{kind}") == cme(514)


@pytest.mark.parametrize(("secret", "reply"), [("00fF", OK), ("0", cme(527)), ("00 ff", cme(527))])
def test_a_pre_shared_key_is_pairs_of_hex_digits(modem: Modem, secret: str, reply: str) -> None:
    assert modem.at(f'AT%CMNG=0,1,3,"{secret}"') == reply


def test_nothing_is_overwritten(modem: Modem) -> None:
    assert modem.at('AT%CMNG=0,1,4,"me"') == OK
    assert modem.at('AT%CMNG=0,1,4,"you"') == cme(519)
    assert modem.at("AT%CMNG=3,1,4") == OK
    assert modem.at("AT%CMNG=3,1,4") == cme(513)
    assert modem.at('AT%CMNG=0,1,4,"you"') == OK


def test_the_list_has_tags_and_types_and_no_contents(modem: Modem) -> None:
    for place in ("2,4", "1,4", "1,3"):
        modem.at(f'AT%CMNG=0,{place},"abcd"')
    digest = hashlib.sha256(b"abcd").hexdigest().upper()

    def listed(*places: str) -> str:
        return "".join(f'%CMNG: {place},"{digest}"\r\n' for place in places) + OK

    assert modem.at("AT%CMNG=1") == listed("1,3", "1,4", "2,4")
    assert modem.at("AT%CMNG=1,1") == listed("1,3", "1,4")
    assert modem.at("AT%CMNG=1,1,4") == listed("1,4")


def test_a_full_store_takes_nothing_more(modem: Modem) -> None:
    modem.store.room = 1
    assert modem.at('AT%CMNG=0,1,4,"me"') == OK
    assert modem.at('AT%CMNG=0,2,4,"me"') == cme(515)
    assert modem.at("AT%KEYGEN=2,2,1") == cme(515)


@pytest.mark.parametrize("place", [f"{MAX_TAG + 1},4", "1,8", "1,7", "1,12"])
def test_what_is_not_the_users_is_not_written(modem: Modem, place: str) -> None:
    assert modem.at(f'AT%CMNG=0,{place},"x"') == cme(514)


def test_the_store_is_closed_while_the_radio_is_on(modem: Modem) -> None:
    assert modem.at("AT+CFUN=1") == OK
    for line in ('AT%CMNG=0,1,4,"me"', "AT%CMNG=3,1,4", "AT%KEYGEN=1,2,1"):
        assert modem.at(line) == cme(518)
    assert modem.at("AT+CFUN?") == "+CFUN: 1\r\nOK\r\n"
    assert modem.at("AT+CFUN=4") == OK
    assert modem.at('AT%CMNG=0,1,4,"me"') == OK


# Lines


@pytest.mark.parametrize(
    "line",
    [
        *("", "AT", "ATI", "AT%UNKNOWN", "at%CMNG=1", "AT%KEYGEN", "AT%KEYGEN=1,3,1", "AT%KEYGEN=1,2,2"),
        *("AT%KEYGEN=-1,2,1", "AT%CMNG=0,1,4", 'AT%CMNG=0,1,4,""', "AT%CMNG=0,1,4,x", 'AT%CMNG=0,1,4,"a"b"'),
        *('AT%CMNG=0,1,4,"a', 'AT%CMNG=0,1,4,"a",5', 'AT%CMNG=0,1,4,"a","b","c"', "AT%CMNG=4,1,4"),
        *("AT%CMNG?", "AT+CGSN?x", "AT+CFUN=9", "AT%CMNG=1,1,4,4"),
    ],
)
def test_a_line_that_is_none_is_an_error_without_a_code(modem: Modem, line: str) -> None:
    assert modem.at(line) == ERROR


@given(line=st.text() | st.builds("AT%{}={}".format, st.sampled_from(["CMNG", "KEYGEN"]), st.text('0123,"a')))
def test_every_line_gets_an_answer(line: str) -> None:
    assert re.search(r"(\A|\n)(OK|ERROR|\+CME ERROR: \d+)\r\n\Z", Modem.make().at(line))


def test_faults_hit_the_commands_that_begin_so() -> None:
    modem = Modem.make(faults={"%KEYGEN": 523, "%CMNG=0": 515})
    assert modem.at("AT%KEYGEN=1,2,1") == cme(523)
    assert modem.at('AT%CMNG=0,1,4,"me"') == cme(515)
    assert modem.at("AT%CMNG=1") == OK


# The file


def test_a_saved_modem_is_the_same_modem(modem: Modem, tmp_path: Path) -> None:
    keygen(modem, "0")
    modem.at(f'AT%CMNG=0,{TAG},0,"{certificate()}"')
    modem.settings["a"] = "b"
    modem.old_firmware = True
    modem.save(tmp_path / "modem.json")
    again = Modem.load(tmp_path / "modem.json")
    assert (again.id, again.imei, again.firmware_id) == (modem.id, modem.imei, modem.firmware_id)
    assert again.identity_public_key() == modem.identity_public_key()
    assert again.at("AT%CMNG=1") == modem.at("AT%CMNG=1")
    assert (again.settings, again.old_firmware) == ({"a": "b"}, True)


def test_the_file_is_for_its_owner_only_and_replaced_as_a_whole(modem: Modem, tmp_path: Path) -> None:
    path = tmp_path / "modem.json"
    path.write_text("old")
    path.chmod(0o644)
    modem.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"uuid": 1}', json.dumps({"uuid": str(uuid.uuid4())})])
def test_a_file_that_holds_no_modem_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "modem.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="holds no modem"):
        Modem.load(path)


def test_no_secret_is_shown(modem: Modem) -> None:
    modem.at('AT%CMNG=0,1,3,"c0ffee"')
    assert "c0ffee" not in repr(modem)
    assert "PRIVATE" not in repr(modem)
