"""Webhooks where everything is one process and the database is SQLite."""

from pathlib import Path

from tests.pipeline import receivers
from tests.pipeline.receivers import HERE, OK, Authority
from tests.standalone.board import ok
from tests.standalone.fleet import FINISHED, define
from tests.standalone.installation import API_KEY, Installation
from tests.standalone.rest import Owner


def test_events_arrive_at_once_and_in_order(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = {"KEYSEED_WEBHOOK_ALLOW": "127.0.0.0/8", "KEYSEED_WEBHOOK_CA": str(authority.file)}
    tls = authority.server(*HERE)
    with (
        receivers.receiver(receivers.says(OK), tls) as here,
        receivers.receiver(receivers.says(OK), tls) as deaf,
        Installation(tmp_path / "data", settings=own) as service,
    ):
        owner = Owner(service.http, API_KEY)
        for one, kinds in ((here, ["*"]), (deaf, ["device.claimed"])):
            owner.post("/v1/webhooks", {"url": one.url, "events": kinds}).made()
        device = define(owner, service.mqtt)
        with device.board() as board:
            device.add(FINISHED)
            (command,) = board.get()["commands"]
            board.results(ok(command["id"]))
        here.wait_for(3, seconds=5)
        changes = [(event["kind"], event["data"].get("new")) for event in here.events]
        assert changes == [
            ("device.defined", None),
            ("device.status", "PROVISIONING"),
            ("device.status", "PROVISIONED"),
        ]
        assert deaf.heard == []
