"""Every command type reaches the device as it was posted, in both formats, and its result is taken."""

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.standalone import material
from tests.standalone.board import ok
from tests.standalone.fleet import FINISHED, Device


def requests() -> dict[str, dict[str, Any]]:
    return {
        "clientPrivateKeyGeneration": {"secTag": 0},
        "cloudAccessKeyGeneration": {"secTag": 2147483647},
        "certificateSigningRequest": {
            "secTag": 1,
            "attributes": "CN=pump,O=Øre & Søn",
            "keyUsage": "101010000",
        },
        "serverCertificate": {"secTag": 2, "content": material.ca_pem() + material.version1_pem()},
        "clientCertificate": {"secTag": 3, "content": material.chain_pem()},
        "clientPrivateKey": {
            "secTag": 4,
            "content": material.encrypted_key_pem(),
            "password": material.PASSWORD,
        },
        "preSharedKey": {"secTag": 5, "identity": "pümp", "secret": "00" * 64},
        "config": {"ключ": "значение", "empty": ""},
        "finished": {},
    }


VALUES: dict[str, Callable[[], Any]] = {
    "clientPrivateKeyGeneration": lambda: {"publicKey": material.public_key_pem()},
    "cloudAccessKeyGeneration": lambda: {"publicKey": material.public_key_pem()},
    "certificateSigningRequest": lambda: {"csr": material.request_pem()},
}
SECRET_FIELDS = {"content", "password", "secret"}


@pytest.mark.parametrize("format", ["json", "cbor"])
def test_every_type_is_served_in_order_and_confirmed(new_device: Callable[..., Device], format: str) -> None:
    device = new_device()
    posted = requests()
    ids = device.add(*({type: inner} for type, inner in posted.items()))
    with device.board(format=format) as board:
        answer = board.get(rxMaxSize=60_000)
        served = answer["commands"]
        assert [(command["type"], command["params"]) for command in served] == list(posted.items())
        assert [command["id"] for command in served] == [f"{id}.0" for id in ids]
        results = [ok(command["id"], VALUES.get(command["type"], lambda: None)()) for command in served]
        accepted = board.results(*results)
    assert accepted["results"] == dict.fromkeys([command["id"] for command in served], "stored")
    assert (accepted["status"], accepted["pending"]) == ("PROVISIONED", 0)
    assert set(device.states(*ids)) == {"SUCCEEDED"}
    by_type = {next(iter(command["request"])): command for command in device.listed(run="all")}
    for result, command in zip(results, served, strict=True):
        kept = by_type[command["type"]]["response"]
        assert kept == ({command["type"]: result["value"]} if "value" in result else None) or not result.get(
            "value"
        )


def test_cbor_is_definite_and_short(device: Device) -> None:
    device.add(*({type: inner} for type, inner in requests().items()))
    with device.board(format="cbor") as board:
        down = board.ask("get", {"rxMaxSize": 60_000})
        assert cbor2.dumps(cbor2.loads(down.payload)) == down.payload
        served = down.body["commands"]
        down = board.ask("results", {"results": [ok(served[0]["id"], VALUES[served[0]["type"]]())]})
        assert cbor2.dumps(cbor2.loads(down.payload)) == down.payload


def test_json_is_utf8_and_nothing_down_is_retained(device: Device) -> None:
    device.add({"config": {"ключ": "значение"}})
    with device.board() as board:
        down = board.ask("get", {})
        assert "значение" in down.payload.decode() or "\\u" in down.payload.decode()
        assert (down.retain, down.qos) == (False, 1)


def test_secrets_read_as_stars_from_the_moment_they_are_posted(device: Device) -> None:
    posted = requests()
    for type in ("clientPrivateKey", "preSharedKey"):
        made = device.owner.post(device.commands, {"request": {type: posted[type]}})
        inner = made.made()["request"][type]
        for field, value in posted[type].items():
            expected = "***" if field in SECRET_FIELDS else value
            assert inner[field] == expected
        secret = posted[type].get("password") or posted[type]["secret"]
        assert secret not in made.content.decode()
    for path in (device.commands, f"{device.path}/timeline", f"{device.path}/explain", device.path):
        text = device.owner.get(path).content.decode()
        assert "00" * 64 not in text
        assert material.PASSWORD not in text
        assert "PRIVATE KEY" not in text


def test_public_content_reads_as_it_was_posted(device: Device) -> None:
    posted = {"secTag": 2, "content": material.ca_pem()}
    made = device.owner.post(device.commands, {"request": {"serverCertificate": posted}}).made()
    assert made["request"] == {"serverCertificate": posted}


def test_a_cloud_access_key_becomes_the_devices_public_key(device: Device) -> None:
    device.add({"cloudAccessKeyGeneration": {"secTag": 7}})
    with device.board() as board:
        board.results(ok(board.get()["commands"][0]["id"], {"publicKey": material.public_key_pem()}))
    kinds = [credential["kind"] for credential in device.owner.all(f"{device.path}/credentials")]
    assert sorted(kinds) == ["password", "publicKey"]


def test_a_key_generation_may_bring_its_request_along(device: Device) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (id,) = device.add({"clientPrivateKeyGeneration": {"secTag": 7}})
    value = {"publicKey": material.spki(key), "csr": material.request_of(key)}
    with device.board() as board:
        board.results(ok(f"{board.get()['commands'][0]['id']}", value))
    assert device.command(id)["response"] == {"clientPrivateKeyGeneration": value}


@pytest.mark.parametrize("size", [16, 18, 128])
def test_a_preshared_key_has_16_to_128_digits(device: Device, size: int) -> None:
    device.add({"preSharedKey": {"secTag": 1, "identity": "i" * 128, "secret": "aF" * (size // 2)}})


def test_a_config_of_the_largest_size_is_taken(device: Device) -> None:
    pairs = {f"{number:064d}": "x" * 400 for number in range(100)} | {}
    device.add({"config": pairs})
    device.add({"config": {"x": "y" * 1024}})


def test_finished_may_stand_anywhere_in_the_list(device: Device) -> None:
    device.add(FINISHED, {"config": {"a": "b"}}, FINISHED)
    assert [next(iter(command["request"])) for command in device.listed()] == [
        "finished",
        "config",
        "finished",
    ]


def test_ten_certificates_are_taken(device: Device) -> None:
    chain = "".join(material.pem(material.certificate(f"root {number}")) for number in range(10))
    device.add({"serverCertificate": {"secTag": 1, "content": chain}})
