"""A person is a device, with nothing but `mosquitto_pub` and `mosquitto_sub`."""

import json
import shutil
import subprocess
import threading
import time
from typing import Any

import pytest

from tests.standalone.fleet import FINISHED, Device, config

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not installed"
)


def command(name: str, device: Device, client: str, *arguments: str) -> list[str]:
    at = ["-h", "127.0.0.1", "-p", str(device.mqtt), "-i", client, "-u", device.id, "-P", device.secret]
    return [name, *at, "-q", "1", *arguments]


def said(device: Device, word: str, body: Any) -> dict[str, Any]:
    """Publish as one client and hear the answer as another."""
    listen = command("mosquitto_sub", device, f"{device.id}-sub", "-C", "1", "-W", "10")
    heard: list[str] = []

    def hear() -> None:
        done = subprocess.run(
            [*listen, "-t", f"prov/v1/{device.id}/json/commands", "-t", f"prov/v1/{device.id}/json/accepted"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        heard.append(done.stdout)

    listener = threading.Thread(target=hear)
    listener.start()
    time.sleep(0.3)
    topic = f"prov/v1/{device.id}/json/{word}"
    subprocess.run(
        command("mosquitto_pub", device, device.id, "-t", topic, "-m", json.dumps(body)), check=True
    )
    listener.join()
    return dict(json.loads(heard[0]))


def test_a_person_provisions_a_device(device: Device) -> None:
    device.add(config(), FINISHED)
    answer = said(device, "get", {"id": "1"})
    results = [{"id": served["id"], "ok": True} for served in answer["commands"]]
    accepted = said(device, "results", {"id": "2", "results": results})
    assert (accepted["id"], accepted["status"]) == ("2", "PROVISIONED")
    assert device.status == "PROVISIONED"


def test_a_wrong_password_is_told_to_the_person(device: Device) -> None:
    wrong = Device(device.owner, device.id, "wrong", device.mqtt)
    done = subprocess.run(
        command("mosquitto_pub", wrong, device.id, "-t", "x", "-m", "x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "not authori" in done.stderr.lower()
