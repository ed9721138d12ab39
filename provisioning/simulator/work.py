"""Does the commands for real, as a modem would: makes keys, signs requests, loads certificates, opens keys.

A command that cannot be done gives `Failed` with a code of WIRE.md 3.1; nothing here raises on bad params.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from provisioning.simulator.formats import Command, Failed, Ok, Outcome

# WIRE.md 3.1
UNSUPPORTED = 1
BAD_PARAMETER = 2
NO_ROOM = 3
REFUSED = 4

MAX_SEC_TAG = 2**31 - 1
MAX_CERTIFICATES = 10  # WIRE.md 10
SLOTS = 64  # as many as a small modem holds
SETTINGS = 1_000

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Names that mbed TLS knows beside those of RFC 4514.
ATTRIBUTES = {
    "E": NameOID.EMAIL_ADDRESS,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "title": NameOID.TITLE,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "dnQualifier": NameOID.DN_QUALIFIER,
    "pseudonym": NameOID.PSEUDONYM,
    "postalCode": NameOID.POSTAL_CODE,
}


class Refusal(Exception):
    """A command that cannot be done: `code` as WIRE.md 3.1, and why."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Slot:
    """What a device keeps under one security tag."""

    private_key: PrivateKey | None = None
    client_chain: tuple[x509.Certificate, ...] = ()
    authorities: tuple[x509.Certificate, ...] = ()
    pre_shared_key: tuple[str, bytes] | None = None


@dataclass(slots=True)
class Store:
    """The credentials and settings of one device. Survives its reboots."""

    slots: dict[int, Slot] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def slot(self, tag: int) -> Slot:
        """The slot of this tag, made if need be. Raises Refusal when all are taken."""
        if tag not in self.slots and len(self.slots) >= SLOTS:
            raise Refusal(NO_ROOM, f"all {SLOTS} credential slots are taken")
        return self.slots.setdefault(tag, Slot())


class Worker:
    """Does commands on a store. `subject` is the common name of a CSR that names none."""

    def __init__(self, store: Store, subject: str) -> None:
        self.store = store
        self.subject = subject

    def do(self, command: Command) -> Outcome:
        """Do it; whatever goes wrong with it is an outcome, too."""
        step = STEPS.get(command.type)
        if step is None:
            return Failed(UNSUPPORTED, f"{command.type} is not known here")
        try:
            return Ok(step(self, command.params))
        except Refusal as refusal:
            return Failed(refusal.code, str(refusal))

    def make_key(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """`clientPrivateKeyGeneration`, `cloudAccessKeyGeneration`: a new P-256 key and what proves it."""
        slot = self._slot(params)
        key = _put_key(slot, ec.generate_private_key(ec.SECP256R1()))
        return {"publicKey": _public_pem(key), "csr": _request(key, self._common_name(), None)}

    def sign_request(self, params: Mapping[str, Any]) -> Mapping[str, str]:
        """`certificateSigningRequest`, with the key of the tag, made if there is none."""
        attributes = params.get("attributes")
        subject = self._common_name() if attributes is None else _name(attributes)
        usage = None if params.get("keyUsage") is None else _key_usage(params["keyUsage"])
        slot = self._slot(params)
        key = slot.private_key or _put_key(slot, ec.generate_private_key(ec.SECP256R1()))
        return {"csr": _request(key, subject, usage)}

    def load_authorities(self, params: Mapping[str, Any]) -> None:
        """`serverCertificate`: whom the device trusts."""
        chain = _certificates(params)
        self._slot(params).authorities = chain

    def load_client_chain(self, params: Mapping[str, Any]) -> None:
        """`clientCertificate`: it must be for the key that the tag holds."""
        chain = _certificates(params)
        slot = self._slot(params)
        if slot.private_key is not None and _public_pem(slot.private_key) != _certified_pem(chain[0]):
            raise Refusal(REFUSED, "the certificate is not for the key in this slot")
        slot.client_chain = chain

    def load_key(self, params: Mapping[str, Any]) -> None:
        """`clientPrivateKey`: opened with its password here, so that a wrong one is found out now."""
        key = _open_key(_text(params, "content"), _text(params, "password"))
        _put_key(self._slot(params), key)

    def load_pre_shared_key(self, params: Mapping[str, Any]) -> None:
        """`preSharedKey`."""
        identity, secret = _text(params, "identity"), _text(params, "secret")
        # bytes.fromhex alone would also take spaces.
        if not re.fullmatch(r"([0-9A-Fa-f]{2})+", secret):
            raise Refusal(BAD_PARAMETER, "secret is not pairs of hex digits")
        self._slot(params).pre_shared_key = (identity, bytes.fromhex(secret))

    def keep_settings(self, params: Mapping[str, Any]) -> None:
        """`config`."""
        if not params or not all(isinstance(value, str) for value in params.values()):
            raise Refusal(BAD_PARAMETER, "config is not pairs of text")
        if len(self.store.settings.keys() | params.keys()) > SETTINGS:
            raise Refusal(NO_ROOM, f"no room for more than {SETTINGS} settings")
        self.store.settings.update(params)

    def finish(self, params: Mapping[str, Any]) -> None:
        """`finished`: nothing is left to do."""

    def _common_name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.subject)])

    def _slot(self, params: Mapping[str, Any]) -> Slot:
        tag = params.get("secTag")
        if not isinstance(tag, int) or isinstance(tag, bool) or not 0 <= tag <= MAX_SEC_TAG:
            raise Refusal(BAD_PARAMETER, f"secTag is not a number from 0 to {MAX_SEC_TAG}")
        return self.store.slot(tag)


Step = Callable[[Worker, Mapping[str, Any]], Mapping[str, str] | None]

STEPS: Mapping[str, Step] = {
    "clientPrivateKeyGeneration": Worker.make_key,
    "cloudAccessKeyGeneration": Worker.make_key,
    "certificateSigningRequest": Worker.sign_request,
    "serverCertificate": Worker.load_authorities,
    "clientCertificate": Worker.load_client_chain,
    "clientPrivateKey": Worker.load_key,
    "preSharedKey": Worker.load_pre_shared_key,
    "config": Worker.keep_settings,
    "finished": Worker.finish,
}


def _put_key(slot: Slot, key: PrivateKey) -> PrivateKey:
    """A certificate for another key is of no use any more; one that came before its key is."""
    slot.private_key = key
    if slot.client_chain and _certified_pem(slot.client_chain[0]) != _public_pem(key):
        slot.client_chain = ()
    return key


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise Refusal(BAD_PARAMETER, f"{name} is not text")
    return value


def _certificates(params: Mapping[str, Any]) -> tuple[x509.Certificate, ...]:
    try:
        chain = x509.load_pem_x509_certificates(_text(params, "content").encode())
    except ValueError as error:
        raise Refusal(REFUSED, f"content holds no certificate that can be read: {error}") from error
    if len(chain) > MAX_CERTIFICATES:
        raise Refusal(NO_ROOM, f"no room for more than {MAX_CERTIFICATES} certificates")
    return tuple(chain)


def _open_key(content: str, password: str) -> PrivateKey:
    try:
        key = load_pem_private_key(content.encode(), password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refusal(REFUSED, f"the private key cannot be opened: {error}") from error
    if not isinstance(key, PrivateKey):
        raise Refusal(REFUSED, "a key of this kind cannot be used")
    return key


def _public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _certified_pem(certificate: x509.Certificate) -> str:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(REFUSED, f"the certificate's key cannot be used: {error}") from error
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _request(key: PrivateKey, subject: x509.Name, usage: x509.KeyUsage | None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _name(attributes: object) -> x509.Name:
    """`CN=...,O=...` as a Name; blanks after a comma are let pass, as modems do."""
    if not isinstance(attributes, str) or not attributes:
        raise Refusal(BAD_PARAMETER, "attributes is not text")
    try:
        return x509.Name.from_rfc4514_string(re.sub(r"(?<!\\),\s+", ",", attributes), ATTRIBUTES)
    except ValueError as error:
        raise Refusal(BAD_PARAMETER, f"attributes is no list such as CN=...,O=... {error}") from error


def _key_usage(flags: object) -> x509.KeyUsage:
    """Nine digits 0 or 1, in the order of RFC 5280 4.2.1.3."""
    if not isinstance(flags, str) or not re.fullmatch(r"[01]{9}", flags):
        raise Refusal(BAD_PARAMETER, "keyUsage is not nine digits of 0 and 1")
    try:
        return x509.KeyUsage(*(flag == "1" for flag in flags))
    except ValueError as error:  # encipherOnly or decipherOnly without keyAgreement
        raise Refusal(BAD_PARAMETER, f"keyUsage means nothing: {error}") from error
