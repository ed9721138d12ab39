"""The data folder of a standalone and all that it says hold no secret that came in, but for its own keys' files."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.pipeline import doors
from tests.pipeline.needles import Search
from tests.standalone.installation import API_KEY, Installation
from tests.standalone.rest import Owner

OWN = {"KEYSEED_SECRET_KEY": "secret_key", "KEYSEED_FIELD_KEYS": "field_key", "MQTT_URL": "gateway_password"}
DEVICES = "/v1/claimed-devices"


@pytest.mark.timeout(120)
def test_no_secret_is_found_in_the_folder_nor_in_what_it_says(tmp_path: Path) -> None:
    planted = {
        "the owner's key": API_KEY,
        "a command": doors.psk(),
        "a rule": doors.psk(),
        "a mistake": doors.psk(),
    }
    with Installation(tmp_path / "data", settings={"KEYSEED_LOG_LEVEL": "DEBUG"}) as running:
        live(Owner(running.http, API_KEY), planted)
    planted |= {name: (running.folder / file).read_text().strip() for name, file in OWN.items()}
    search = Search(planted)
    for path in running.folder.rglob("*"):
        if path.is_file() and path.name not in OWN.values():
            search.look(path.name, path.read_bytes())
    search.look("what it says", running.said())
    assert search.hits == []
    assert search.places["keyseed.sqlite3"] > 100_000
    assert "DEBUG" in running.said()


def live(owner: Owner, planted: dict[str, str]) -> None:
    """A device gets its secrets, and fails at one of them."""
    id = owner.post(DEVICES, {"tags": ["pump"]}).made()["id"]
    there = f"{DEVICES}/{id}"
    rule = {"name": "all", "active": True, "tags": ["pump"]}
    commands = [{"request": doors.shared(planted["a rule"])}]
    owner.post("/v1/provisioning-rules", {**rule, "commands": commands}).made()
    owner.post(f"{there}/provisioning", {"request": doors.shared(planted["a command"])}).made()
    owner.post(f"{there}/provisioning", {"request": doors.shared(planted["a mistake"] + "0")}).refused(400)
    key = owner.post("/v1/api-keys", {"name": "ci", "role": "viewer"}).made()
    planted["a new key"] = key["key"]
    planted["a password"] = owner.post(f"{there}/credentials", {"kind": "password"}).made()["secret"]
    basic = base64.b64encode(f"{id}:{planted['a password']}".encode()).decode()
    device = Owner(owner.port, None, {"Authorization": f"Basic {basic}", "Accept": "application/json"})
    served = device.get("/v1/provisioning/commands").made()["commands"]
    secrets = [command["params"]["secret"] for command in served]
    assert sorted(secrets) == sorted([planted["a command"], planted["a rule"]])
    results = [{"id": served[0]["id"], "ok": False, "error": {"code": 5, "message": "no"}}]
    body = json.dumps({"results": results}).encode()
    device.send("POST", "/v1/provisioning/response", body, {"Content-Type": "application/json"}).made()
    assert owner.get(f"{there}/explain").made()
