"""Whatever is sent, the answer is a value or Invalid; nothing else comes out of pki."""

import base64
import contextlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization as ser
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.certificates import check_authorities, check_chain
from pki.errors import Invalid
from pki.private_keys import check_encrypted_key
from pki.requests import read_csr, read_public_key
from tests.pki import make
from tests.pki.make import NOW, SESAME

CHECKS: list[Callable[[str], object]] = [
    lambda text: check_authorities(text, NOW),
    lambda text: check_chain(text, NOW),
    lambda text: check_encrypted_key(text, SESAME),
    read_public_key,
    read_csr,
]
LABELS = ["CERTIFICATE", "ENCRYPTED PRIVATE KEY", "PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE REQUEST"]

ROOT = make.issue("Root", ca=True)
DEVICE = make.issue("device-1", ROOT, ca=False)
GOOD = [
    ("CERTIFICATE", ROOT.certificate.public_bytes(ser.Encoding.DER)),
    ("CERTIFICATE", DEVICE.certificate.public_bytes(ser.Encoding.DER)),
    ("CERTIFICATE REQUEST", make.request(make.p256()).public_bytes(ser.Encoding.DER)),
    ("CERTIFICATE REQUEST", make.request(make.rsa_key()).public_bytes(ser.Encoding.DER)),
    ("PUBLIC KEY", make.spki(make.p256())),
    ("PUBLIC KEY", make.spki(make.rsa_key())),
    ("ENCRYPTED PRIVATE KEY", base64.b64decode("".join(make.sample("pkcs12-3des").split("\n")[1:-2]))),
    ("ENCRYPTED PRIVATE KEY", base64.b64decode("".join(make.sample("default").split("\n")[1:-2]))),
]
# The library warns of what it will refuse one day; here that is only noise.
pytestmark = pytest.mark.filterwarnings("ignore")


def survives(text: str) -> None:
    for check in CHECKS:
        with contextlib.suppress(Invalid):
            check(text)


@given(st.text(max_size=300))
def test_random_text_is_taken_or_invalid(text: str) -> None:
    survives(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *(f"-----{word} {label}-----" for word in ("BEGIN", "END") for label in LABELS),
                "\n",
                "\r\n",
                "MIIB",
                "Proc-Type: 4,ENCRYPTED",
                "=",
                '"',
                "\0",
                " ",
                ".",
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_scrambled_pem_is_taken_or_invalid(text: str) -> None:
    survives(text)


@given(st.sampled_from(LABELS), st.binary(max_size=200))
def test_random_blocks_are_taken_or_invalid(label: str, data: bytes) -> None:
    survives(make.pem(label, data))
    survives(make.modem(data))


@settings(max_examples=400)
@given(st.data())
def test_damaged_blocks_are_taken_or_invalid(data: st.DataObject) -> None:
    label, good = data.draw(st.sampled_from(GOOD))
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(damaged), len(damaged) // 2, len(damaged) - 1]))
    survives(make.pem(label, bytes(damaged[:cut])))
    survives(make.modem(bytes(damaged[:cut])))


def test_the_checks_load_no_framework() -> None:
    program = (
        "import sys, pki.certificates, pki.private_keys, pki.requests, pki.sealing\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'django', 'rest_framework', 'celery', 'paho', 'psycopg', 'redis'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
