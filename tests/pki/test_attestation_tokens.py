"""A device is claimed with its identity attestation token, and with nothing that merely looks like one."""

import contextlib
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import attestation
from pki.attestation import DEVICE_TYPES, Attestation
from pki.errors import Invalid
from tests.pki import make

KEY = make.p256()
DEVICE = UUID("0f3bb1c6-6f6e-4d55-9f6e-6a1c2b9d8e01")
FIRMWARE = UUID("aa0b5a55-7c3c-4c8b-8c29-5d2d8d5a6f02")
BODY = make.identity(DEVICE, firmware_id=FIRMWARE)
TOKEN = make.attestation(KEY, BODY)
SIGN1 = make.sign1(KEY, BODY)

# Of real modems: device, firmware, body, signature.
MODEMS = [
    (
        "50363154-3931-44f0-8022-121b6401627d",
        "1aff3acb-f1a6-4764-a263-4c2646c1c654",
        "2dn3hQFQUDYxVDkxRPCAIhIbZAFifQNQGv86y_GmR2SiY0wmRsHGVFDT791_BPH8YOWFiyCHND1q",
        "0oRDoQEmoQRBIfZYQGuXwJliinHc6xDPruiyjsaXyXZbZVpUuOhHG9YS8L05VuglCcJhMN4EUhWVGpaHgNnHHno6ahi-d5tOeZmAcNY",
    ),
    (
        "4961c873-408c-45ce-b1ba-7c0d99d88179",
        "a4d580b9-aafb-4925-bc8d-db95f737d4ae",
        "2dn3hQFQSWHIc0CMRc6xunwNmdiBeQNQpNWAuar7SSW8jduV9zfUrlDi2RpLvSI7Lpj6UEpyjZUy",
        "0oRDoQEmoQRBIfZYQOOK3tk8JPbQj97vYSUwvg2l4RWnI-HkW870dxWy6pirvWJ5ZfjLtJsP-R5C9MJNtMHkZEZNjI1bmMaMLInZWTE",
    ),
]


def refusal(token: str) -> str:
    with pytest.raises(Invalid) as refused:
        attestation.read(token)
    return refused.value.reason


def body_refusal(*values: object) -> str:
    body = cbor2.dumps(list(values))
    return refusal(make.attestation(KEY, body))


@pytest.mark.parametrize(("device", "firmware", "body", "signed"), MODEMS)
def test_a_modems_token_tells_its_device(device: str, firmware: str, body: str, signed: str) -> None:
    found = attestation.read(f"{body}.{signed}")
    assert (found.device_id, found.firmware_id) == (UUID(device), UUID(firmware))
    assert (found.device_type, found.device_type_name) == (3, "nrf9160_SICA")
    assert len(found.nonce) == 16
    assert found.sign1.key_id == -2


def test_a_token_verifies_with_the_key_that_signed_it() -> None:
    found = attestation.read(TOKEN)
    assert (found.device_id, found.firmware_id, found.device_type) == (DEVICE, FIRMWARE, 4)
    assert found.nonce == bytes(range(16))
    assert attestation.verifies(found, make.public_pem(KEY))


@pytest.mark.parametrize(
    "key",
    [
        make.p256(),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        make.rsa_key(),
    ],
)
def test_a_token_verifies_with_no_other_key(key: make.Signer) -> None:
    assert not attestation.verifies(attestation.read(TOKEN), make.public_pem(key))


def test_a_body_with_another_bodys_signature_does_not_verify() -> None:
    other = make.modem(make.identity(UUID(int=1)), SIGN1)
    assert not attestation.verifies(attestation.read(other), make.public_pem(KEY))


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABCXYZabcxyz0189-_=."))
def test_no_changed_letter_verifies(place: int, letter: str) -> None:
    changed = f"{TOKEN[:place]}{letter}{TOKEN[place + 1 :]}"
    try:
        found = attestation.read(changed)
    except Invalid:
        return
    # Spelled otherwise, a key id may be read as none; it is not signed.
    same = changed == TOKEN or found.sign1.key_id is None
    assert same or not attestation.verifies(found, make.public_pem(KEY))


def test_the_tag_that_says_cbor_may_be_missing() -> None:
    bare = BODY.removeprefix(bytes.fromhex("d9d9f7"))
    found = attestation.read(make.attestation(KEY, bare))
    assert bare != BODY
    assert found.device_id == DEVICE
    assert attestation.verifies(found, make.public_pem(KEY))


def test_the_key_id_may_be_missing() -> None:
    assert attestation.read(make.attestation(KEY, BODY, key_id=None)).device_id == DEVICE


def test_space_around_a_token_does_not_matter() -> None:
    assert attestation.read(f" {TOKEN}\r\n") == attestation.read(TOKEN)


@pytest.mark.parametrize(
    ("number", "name"), [*DEVICE_TYPES.items(), (0, "unknown_0"), (2**31 - 1, "unknown_2147483647")]
)
def test_each_chip_has_a_name(number: int, name: str) -> None:
    body = make.identity(DEVICE, device_type=number)
    assert attestation.read(make.attestation(KEY, body)).device_type_name == name


def test_the_names_are_those_of_the_chips() -> None:
    assert DEVICE_TYPES[4] == "nrf9161_LACA"
    assert list(DEVICE_TYPES) == [1, 2, 3, 4, 5, 6]


def test_a_token_is_not_shown() -> None:
    found = repr(attestation.read(TOKEN))
    assert str(DEVICE) in found
    assert "body" not in found
    assert "sign" not in found


@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        ".",
        TOKEN.replace(".", ".."),
        f"{TOKEN}.",
        f"{TOKEN}.{TOKEN}",
        f".{TOKEN}",
        f"{TOKEN}=",
        f'"{TOKEN}"',
        f'%ATTESTTOKEN: "{TOKEN}"',
        TOKEN.replace(".", " ."),
        f"{TOKEN[:20]}\n{TOKEN[20:]}",
        f"é{TOKEN}",
        f"{TOKEN}\ud800",
        make.modem(BODY[:-1], b"").replace("_", "/") + "+",
        make.pem("PUBLIC KEY", make.spki(KEY)),
    ],
)
def test_what_is_not_two_parts_of_base64url_is_refused(token: str) -> None:
    assert refusal(token).startswith("It is not an attestation token")


@pytest.mark.parametrize(
    "body",
    [
        BODY[:-1],
        BODY + b"\0",
        BODY + SIGN1,
        bytes.fromhex("d9d9f7") + BODY,
        cbor2.dumps([]),
        cbor2.dumps({1: DEVICE.bytes}),
        cbor2.dumps("text"),
        cbor2.dumps([True, DEVICE.bytes, 4, FIRMWARE.bytes, bytes(16)]),
        cbor2.dumps([1.0, DEVICE.bytes, 4, FIRMWARE.bytes, bytes(16)]),
        cbor2.dumps([1, DEVICE, 4, FIRMWARE.bytes, bytes(16)]),
        make.request(KEY).public_bytes(Encoding.DER),
        make.spki(KEY),
    ],
)
def test_a_body_that_is_no_array_of_cbor_is_refused(body: bytes) -> None:
    assert refusal(make.attestation(KEY, body)).startswith("The first part is not the CBOR")


@pytest.mark.parametrize(
    "values",
    [
        (),
        (DEVICE.bytes,),
        (DEVICE.bytes, 4, FIRMWARE.bytes),
        (DEVICE.bytes, 4, FIRMWARE.bytes, bytes(16), 0),
        (DEVICE.bytes[1:], 4, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, 4, FIRMWARE.bytes + b"\0", bytes(16)),
        (DEVICE.bytes, 4, FIRMWARE.bytes, b""),
        (DEVICE.bytes, 4, FIRMWARE.bytes, bytes(32)),
        (str(DEVICE), 4, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, 4, FIRMWARE.bytes, "sixteen letters."),
        (DEVICE.bytes, "4", FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, True, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, 4.0, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, -1, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, 2**31, FIRMWARE.bytes, bytes(16)),
        (DEVICE.bytes, None, FIRMWARE.bytes, bytes(16)),
    ],
)
def test_fields_of_the_wrong_kind_or_length_are_refused(values: tuple[object, ...]) -> None:
    assert body_refusal(1, *values).startswith("The first part does not hold device id")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (2, "a public key message"),
        (3, "a signing request message"),
        (5, "a provisioning response"),
        (9, "a message of type 9"),
        (-1, "a message of type -1"),
    ],
)
def test_another_message_is_named_and_what_to_read_instead(number: int, kind: str) -> None:
    expected = f"This is {kind}, not a device identity attestation token. Read one with AT%ATTESTTOKEN."
    assert body_refusal(number, DEVICE.bytes) == expected
    assert body_refusal(number, DEVICE.bytes, 4, FIRMWARE.bytes, bytes(16)) == expected


@pytest.mark.parametrize("token", [make.modem(BODY), f"{make.modem(BODY)}."])
def test_a_body_alone_claims_nothing(token: str) -> None:
    assert "no COSE part" in refusal(token)


def test_a_cose_part_that_is_none_is_refused() -> None:
    assert "not a COSE_Sign1 message" in refusal(make.modem(BODY, b"signature"))
    assert "not a COSE_Sign1 message" in refusal(make.modem(BODY, SIGN1[:-1]))


@pytest.mark.parametrize("key_id", [-4, -5, -1, 0, 2])
def test_only_the_identity_key_signs_for_a_claim(key_id: int) -> None:
    assert "Only the identity attestation token may be used to claim" in refusal(
        make.attestation(KEY, BODY, key_id=key_id)
    )


def test_a_message_within_the_cose_part_is_refused() -> None:
    parts = [cbor2.dumps({1: -7}), {4: b"!"}, BODY, bytes(64)]
    assert "a message of its own" in refusal(make.modem(BODY, cbor2.dumps(cbor2.CBORTag(18, parts))))


def test_a_token_of_more_than_4_kib_is_refused() -> None:
    assert "longer than 4,096 bytes" in refusal(TOKEN + "A" * (4097 - len(TOKEN)))
    assert "longer" not in refusal(TOKEN + "A" * (4096 - len(TOKEN)))


@given(st.text(max_size=300) | st.text("ABab01-_.=", max_size=300))
def test_random_text_is_read_or_invalid(token: str) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(attestation.read(token), Attestation)


@settings(max_examples=300)
@given(st.data())
def test_damaged_parts_are_read_or_invalid(data: st.DataObject) -> None:
    parts = [bytearray(BODY), bytearray(SIGN1)]
    for part in parts:
        for _ in range(data.draw(st.integers(0, 3))):
            part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
        del part[data.draw(st.integers(0, len(part)) | st.just(len(part))) :]
    try:
        found = attestation.read(make.modem(bytes(parts[0]), bytes(parts[1])))
    except Invalid:
        return
    assert isinstance(attestation.verifies(found, make.public_pem(KEY)), bool)
    assert found.device_type_name
