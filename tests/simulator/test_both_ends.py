"""The client and the service's codecs were written apart: each reads the golden vectors and the other."""

from dataclasses import asdict
from typing import Any

import pytest

from provisioning.simulator import formats
from provisioning.simulator.device import Device
from provisioning.simulator.formats import Command, Failed, Format, Ok
from provisioning.simulator.ports import Profile, Publish
from provisioning.wire import codec
from tests.wire import golden

from .service import ID
from .talk import HALF

DOWN = [
    vector
    for vector in golden.load("commands", "accepted", "rejected", "notify")
    if vector["format"] in set(Format)
]


def keyed(message: formats.Message) -> dict[str, Any]:
    """What the client read, under the wire's names."""
    names = {"words": "results", "retry_after": "retryAfter"}
    return {names.get(name, name): value for name, value in asdict(message).items()}


@pytest.mark.parametrize("vector", DOWN, ids=lambda vector: vector["test"])
def test_the_client_reads_every_golden_answer(vector: dict[str, Any]) -> None:
    read = keyed(formats.read(Format(vector["format"]), vector["verb"], golden.payload(vector)))
    expected = vector.get("reads", vector["value"])
    for name, value in read.items():
        got = list(value) if isinstance(value, tuple) else value
        assert got == expected.get(name), name


@pytest.mark.parametrize("form", list(Format))
def test_the_service_reads_every_get_of_the_client(form: Format) -> None:
    about = {"limit": 3, "rxMaxSize": 2048, "types": ["config"], "client": {"name": "x"}}
    payload = opened(Device(Profile(ID, "boot", form, about=about), {}))
    get = codec.named(form).decode_get(payload)
    assert golden.get_value(get) == {"id": "boot-1", "after": None, "txMaxSize": None, **about}


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Ok(), {"ok": True, "value": None, "code": None, "message": None}),
        (Ok({"csr": "é\n"}), {"ok": True, "value": {"csr": "é\n"}, "code": None, "message": None}),
        (Failed(-7, "x" * 2000), {"ok": False, "value": None, "code": -7, "message": "x" * 1024}),
    ],
)
def test_the_service_reads_every_result_of_the_client(
    form: Format, outcome: Any, expected: dict[str, Any]
) -> None:
    device = Device(Profile(ID, "boot", form), {})
    opened(device)
    served = {"id": "boot-1", "status": "READY", "pending": 0}
    command = {"id": "c.0", "type": "config", "params": {"a": "b"}}
    payload = formats.encode(form, {**served, "commands": [command]})
    device.message(device.profile.topic("commands"), payload, 0, HALF)
    publish = device.executed("c.0", outcome, 0, HALF)[0]
    assert isinstance(publish, Publish)
    results = codec.named(form).decode_results(publish.payload)
    assert golden.results_value(results) == {"id": "boot-2", "results": [{"id": "c.0", **expected}]}


def opened(device: Device) -> bytes:
    """The first message of a device."""
    device.connected()
    publish = device.subscribed(0, HALF)[0]
    assert isinstance(publish, Publish)
    return publish.payload


def test_commands_are_read_as_values() -> None:
    command = b'{"id":"c.0","type":"config","params":{"a":"b"}}'
    payload = b'{"id":"q","status":"READY","commands":[%s],"pending":2}' % command
    read = formats.read(Format.JSON, "commands", payload)
    assert read == formats.Commands("q", "READY", (Command("c.0", "config", {"a": "b"}),), 2)
