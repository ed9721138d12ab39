"""The commands are done for real: what comes back proves it (WIRE.md 3.1, 3.2; API.md, Commands)."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from provisioning.simulator.device import KEY_MAKING
from provisioning.simulator.formats import Command, Failed, Ok
from provisioning.simulator.material import Authority, plan
from provisioning.simulator.work import (
    BAD_PARAMETER,
    NO_ROOM,
    REFUSED,
    SETTINGS,
    SLOTS,
    STEPS,
    UNSUPPORTED,
    Store,
    Worker,
)

from .service import ID

AUTHORITY = Authority()
USAGE = "101010000"
TYPES = {
    "clientPrivateKeyGeneration",
    "cloudAccessKeyGeneration",
    "certificateSigningRequest",
    "serverCertificate",
    "clientCertificate",
    "clientPrivateKey",
    "preSharedKey",
    "config",
    "finished",
}


@pytest.fixture
def worker() -> Worker:
    return Worker(Store(), ID)


def do(worker: Worker, kind: str, **params: Any) -> dict[str, str]:
    outcome = worker.do(Command("c.0", kind, params))
    assert isinstance(outcome, Ok), outcome
    return dict(outcome.value or {})


def code(worker: Worker, kind: str, **params: Any) -> int:
    outcome = worker.do(Command("c.0", kind, params))
    assert isinstance(outcome, Failed), outcome
    assert outcome.message
    return outcome.code


def sealed(key: Any, password: str = "secret") -> str:
    lock = BestAvailableEncryption(password.encode())
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode())


def public_pem(key: Any) -> str:
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def test_every_type_can_be_done_and_no_other() -> None:
    assert set(STEPS) == TYPES
    assert TYPES > KEY_MAKING


def test_an_unknown_type_is_not_supported(worker: Worker) -> None:
    assert code(worker, "deleteEverything") == UNSUPPORTED


@pytest.mark.parametrize("kind", ["clientPrivateKeyGeneration", "cloudAccessKeyGeneration"])
def test_a_new_key_comes_with_its_public_half_and_a_csr_signed_with_it(worker: Worker, kind: str) -> None:
    value = do(worker, kind, secTag=7)
    public = load_pem_public_key(value["publicKey"].encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP256R1)
    request = x509.load_pem_x509_csr(value["csr"].encode())
    assert request.is_signature_valid
    assert public_pem(request.public_key()) == value["publicKey"]
    assert request.subject.rfc4514_string() == f"CN={ID}"


def test_a_key_is_made_anew_each_time_it_is_asked_for(worker: Worker) -> None:
    first = do(worker, "clientPrivateKeyGeneration", secTag=7)
    assert do(worker, "clientPrivateKeyGeneration", secTag=7)["publicKey"] != first["publicKey"]


def test_a_csr_is_for_the_key_of_its_tag_with_the_names_and_uses_asked_for(worker: Worker) -> None:
    public = do(worker, "clientPrivateKeyGeneration", secTag=7)["publicKey"]
    value = do(worker, "certificateSigningRequest", secTag=7, attributes="CN=one, O=Fleet", keyUsage=USAGE)
    request = x509.load_pem_x509_csr(value["csr"].encode())
    assert request.is_signature_valid
    assert public_pem(request.public_key()) == public
    assert request.subject.rfc4514_string() == "CN=one,O=Fleet"
    usage = request.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_agreement) == (True, True, True)
    assert not (usage.content_commitment)
    assert not (usage.key_cert_sign)
    assert not (usage.encipher_only)


def test_a_csr_makes_the_key_where_there_is_none_and_the_next_one_uses_it(worker: Worker) -> None:
    keys = []
    for _ in range(2):
        value = do(worker, "certificateSigningRequest", secTag=7, attributes="CN=one", keyUsage=USAGE)
        keys.append(public_pem(x509.load_pem_x509_csr(value["csr"].encode()).public_key()))
    assert keys[0] == keys[1]


def test_a_csr_without_attributes_is_in_the_name_of_the_device(worker: Worker) -> None:
    request = x509.load_pem_x509_csr(do(worker, "certificateSigningRequest", secTag=7)["csr"].encode())
    assert request.subject.rfc4514_string() == f"CN={ID}"
    assert list(request.extensions) == []


@pytest.mark.parametrize(
    "attributes", ["serialNumber=12,CN=a", "CN=a,emailAddress=a@example.com", "2.5.4.5=1"]
)
def test_names_that_modems_know_are_known(worker: Worker, attributes: str) -> None:
    do(worker, "certificateSigningRequest", secTag=1, attributes=attributes, keyUsage=USAGE)


@pytest.mark.parametrize("attributes", ["", "CN", "CN=", "C=Norway", "NOBODY=1", 5, "CN=\ud800"])
def test_attributes_that_are_no_name_are_a_bad_parameter(worker: Worker, attributes: Any) -> None:
    assert (
        code(worker, "certificateSigningRequest", secTag=1, attributes=attributes, keyUsage=USAGE)
        == BAD_PARAMETER
    )


@pytest.mark.parametrize(
    "usage", ["", "1", "1010100000", "10101000x", "000000001", 101010000, "\u0661\u0660" * 4 + "0"]
)
def test_key_usage_is_nine_digits_that_mean_something(worker: Worker, usage: Any) -> None:
    assert (
        code(worker, "certificateSigningRequest", secTag=1, attributes="CN=a", keyUsage=usage)
        == BAD_PARAMETER
    )


@pytest.mark.parametrize("tag", [None, -1, 2**31, "7", 7.0, True])
@pytest.mark.parametrize("kind", ["clientPrivateKeyGeneration", "certificateSigningRequest"])
def test_a_security_tag_is_a_number_in_range(worker: Worker, kind: str, tag: Any) -> None:
    assert code(worker, kind, secTag=tag) == BAD_PARAMETER


def test_authorities_are_loaded(worker: Worker) -> None:
    do(worker, "serverCertificate", secTag=1, content=AUTHORITY.pem * 10)
    assert len(worker.store.slots[1].authorities) == 10


@pytest.mark.parametrize("kind", ["serverCertificate", "clientCertificate"])
@pytest.mark.parametrize(
    "content", ["PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\ud800"]
)
def test_a_certificate_that_is_none_is_refused_and_takes_no_room(
    worker: Worker, kind: str, content: str
) -> None:
    assert code(worker, kind, secTag=1, content=content) == REFUSED
    assert worker.store.slots == {}


@pytest.mark.parametrize("content", [None, "", 5])
def test_content_must_be_there(worker: Worker, content: Any) -> None:
    assert code(worker, "serverCertificate", secTag=1, content=content) == BAD_PARAMETER


def test_more_than_ten_certificates_find_no_room(worker: Worker) -> None:
    assert code(worker, "serverCertificate", secTag=1, content=AUTHORITY.pem * 11) == NO_ROOM


def test_the_certificate_for_the_device_s_own_csr_is_taken(worker: Worker) -> None:
    csr = do(worker, "certificateSigningRequest", secTag=7, attributes="CN=one", keyUsage=USAGE)["csr"]
    do(worker, "clientCertificate", secTag=7, content=AUTHORITY.sign(csr) + AUTHORITY.pem)
    leaf, issuer = worker.store.slots[7].client_chain
    leaf.verify_directly_issued_by(issuer)


def test_a_client_certificate_for_another_key_is_refused(worker: Worker) -> None:
    csr = do(worker, "certificateSigningRequest", secTag=7)["csr"]
    do(worker, "clientPrivateKeyGeneration", secTag=7)
    assert code(worker, "clientCertificate", secTag=7, content=AUTHORITY.sign(csr)) == REFUSED


def test_a_client_certificate_may_come_before_its_key_and_goes_with_another(worker: Worker) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = AUTHORITY.issue(x509.Name([]), key.public_key())
    do(worker, "clientCertificate", secTag=7, content=leaf)
    do(worker, "clientPrivateKey", secTag=7, content=sealed(key), password="secret")
    assert worker.store.slots[7].client_chain
    do(worker, "clientPrivateKeyGeneration", secTag=7)
    assert not worker.store.slots[7].client_chain


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
)
def test_a_private_key_is_opened_with_its_password(worker: Worker, key: Any) -> None:
    do(worker, "clientPrivateKey", secTag=3, content=sealed(key), password="secret")
    kept = worker.store.slots[3].private_key
    assert kept is not None
    assert public_pem(kept.public_key()) == public_pem(key.public_key())


P256 = ec.generate_private_key(ec.SECP256R1())
OPEN = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "content", [sealed(P256, "other"), OPEN, "PEM", sealed(ed25519.Ed25519PrivateKey.generate())]
)
def test_a_private_key_that_does_not_open_or_cannot_be_used_is_refused(worker: Worker, content: str) -> None:
    assert code(worker, "clientPrivateKey", secTag=3, content=content, password="secret") == REFUSED
    assert worker.store.slots == {}


def test_a_pre_shared_key_is_decoded(worker: Worker) -> None:
    do(worker, "preSharedKey", secTag=3, identity="me", secret="00fF" * 8)
    assert worker.store.slots[3].pre_shared_key == ("me", bytes.fromhex("00ff" * 8))


@pytest.mark.parametrize("secret", ["", "0", "0g", "00 ff", "00ff\n", None])
def test_a_pre_shared_key_is_pairs_of_hex_digits(worker: Worker, secret: Any) -> None:
    assert code(worker, "preSharedKey", secTag=3, identity="me", secret=secret) == BAD_PARAMETER


def test_a_device_has_room_for_so_many_tags(worker: Worker) -> None:
    for tag in range(SLOTS):
        do(worker, "preSharedKey", secTag=tag, identity="me", secret="00")
    assert code(worker, "clientPrivateKeyGeneration", secTag=SLOTS) == NO_ROOM
    do(worker, "clientPrivateKeyGeneration", secTag=0)


def test_settings_are_kept_and_overwritten(worker: Worker) -> None:
    do(worker, "config", a="1", b="2")
    do(worker, "config", b="3")
    assert worker.store.settings == {"a": "1", "b": "3"}


@pytest.mark.parametrize("params", [{}, {"a": 1}, {"a": None}])
def test_settings_are_pairs_of_text(worker: Worker, params: dict[str, Any]) -> None:
    assert code(worker, "config", **params) == BAD_PARAMETER


def test_a_device_has_room_for_so_many_settings(worker: Worker) -> None:
    do(worker, "config", **{str(number): "x" for number in range(SETTINGS)})
    assert code(worker, "config", more="x") == NO_ROOM
    do(worker, "config", **{"0": "y"})


def test_a_device_carries_out_the_whole_of_either_plan() -> None:
    kinds: set[str] = set()
    for index in range(2):
        worker = Worker(Store(), ID)
        todo = plan(index, ID, AUTHORITY)
        csr = ""
        for body in [*todo.first, *(todo.after_csr or ())]:
            ((kind, params),) = body["request"].items()
            csr = do(worker, kind, **params).get("csr", csr)
            kinds.add(kind)
        if todo.after_csr is not None:
            do(worker, "clientCertificate", secTag=2, content=AUTHORITY.sign(csr))
    assert kinds | {"clientCertificate"} == TYPES


def test_every_type_is_in_the_list_of_a_device_that_makes_its_own_key() -> None:
    todo = plan(0, ID, AUTHORITY)
    kinds = {next(iter(body["request"])) for body in [*todo.first, *(todo.after_csr or ())]}
    assert kinds | {"clientCertificate"} == TYPES


def test_an_authority_signs_no_csr_that_its_own_key_did_not_sign(worker: Worker) -> None:
    csr = do(worker, "certificateSigningRequest", secTag=7)["csr"]
    der = bytearray(x509.load_pem_x509_csr(csr.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    AUTHORITY.sign(csr)
    with pytest.raises(ValueError, match="not signed with its own key"):
        AUTHORITY.sign(forged)
